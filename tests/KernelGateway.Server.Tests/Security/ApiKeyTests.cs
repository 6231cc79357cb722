using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using KernelGateway.Server.Tests.Support;

namespace KernelGateway.Server.Tests.Security;

[Parallelizable(ParallelScope.All)]
public sealed class ApiKeyTests
{
    private static LiveGateway Gateway => SharedGateway.Instance;

    [TestCase(null)]
    [TestCase("")]
    [TestCase("kg_wrong")]
    public async Task Without_a_known_key_every_route_of_the_api_answers_401(string? key)
    {
        using var nobody = Gateway.ClientWith(null);
        if (key is not null)
        {
            nobody.DefaultRequestHeaders.TryAddWithoutValidation("Authorization", $"Bearer {key}");
        }

        var document = await nobody.GetFromJsonAsync<JsonElement>("/openapi/v1.json");
        var tried = 0;
        foreach (var path in document.GetProperty("paths").EnumerateObject().Where(p => p.Name.StartsWith("/api/", StringComparison.Ordinal)))
        {
            foreach (var method in path.Value.EnumerateObject())
            {
                using var request = new HttpRequestMessage(new HttpMethod(method.Name), path.Name.Replace("{", "").Replace("}", ""));
                using var answer = await nobody.SendAsync(request);
                answer.StatusCode.Should().Be(HttpStatusCode.Unauthorized, $"{method.Name} {path.Name}");
                answer.Content.Headers.ContentType!.MediaType.Should().Be("application/problem+json");
                tried++;
            }
        }

        tried.Should().BeGreaterThan(10);
        using var hub = await nobody.PostAsync("/hubs/sandboxes/negotiate?negotiateVersion=1", null);
        hub.StatusCode.Should().Be(HttpStatusCode.Unauthorized);
    }

    [Test]
    public async Task Only_an_admin_manages_keys()
    {
        using var user = await Gateway.OtherOwnerAsync($"user-{Guid.NewGuid():N}");

        using var answer = await user.GetAsync("/api/v1/keys");

        answer.StatusCode.Should().Be(HttpStatusCode.Forbidden);
    }

    [Test]
    public async Task A_revoked_key_is_worthless_at_once()
    {
        using var made = await Gateway.Http.PostAsJsonAsync("/api/v1/keys", new { owner = "leaver" });
        var key = await made.Content.ReadFromJsonAsync<JsonElement>();
        using var leaver = Gateway.ClientWith(key.GetProperty("key").GetString());
        (await leaver.GetAsync("/api/v1/sandboxes")).StatusCode.Should().Be(HttpStatusCode.OK);

        using var revoked = await Gateway.Http.DeleteAsync($"/api/v1/keys/{key.GetProperty("id").GetString()}");

        revoked.StatusCode.Should().Be(HttpStatusCode.NoContent);
        (await leaver.GetAsync("/api/v1/sandboxes")).StatusCode.Should().Be(HttpStatusCode.Unauthorized);
    }

    [Test]
    public async Task No_key_stands_in_the_database_and_the_key_file_is_for_its_owner_only()
    {
        File.GetUnixFileMode(Path.Combine(Gateway.Folder, "admin.key")).Should().Be(UnixFileMode.UserRead | UnixFileMode.UserWrite);
        foreach (var file in Directory.EnumerateFiles(Gateway.Folder, "gateway.db*"))
        {
            await using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            using var reader = new StreamReader(stream, System.Text.Encoding.Latin1);
            (await reader.ReadToEndAsync()).Should().NotContain(Gateway.Key);
            File.GetUnixFileMode(file).Should().Be(UnixFileMode.UserRead | UnixFileMode.UserWrite, file);
        }
    }
}
