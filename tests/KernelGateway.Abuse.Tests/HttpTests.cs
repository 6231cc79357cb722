using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using KernelGateway.Abuse.Tests.Support;
using KernelGateway.Client;
using KernelGateway.Contracts.Sandboxes;

namespace KernelGateway.Abuse.Tests;

/// <summary>H: clients that mean ill. Limits of callers, browsers and revocation are tested at the server itself.</summary>
public sealed class HttpTests : AbuseFixture
{
    [Test]
    public async Task H01_On_every_route_anothers_sandbox_answers_as_one_that_is_not_there(CancellationToken cancellationToken)
    {
        using var http = Site.HttpAs(Site.AttackersKey);
        var document = await http.GetFromJsonAsync<JsonElement>("/openapi/v1.json", cancellationToken);
        var routes = document.GetProperty("paths").EnumerateObject()
            .Where(path => path.Name.Contains("/sandboxes/{id}", StringComparison.Ordinal))
            .SelectMany(path => path.Value.EnumerateObject().Select(method => (Path: path.Name, Method: method.Name)))
            .ToList();
        routes.Should().HaveCountGreaterThan(8);
        foreach (var (path, method) in routes)
        {
            var theirs = await AskAsync(path, method, Site.Neighbour.Id);
            var nobodys = await AskAsync(path, method, Guid.NewGuid().ToString("N"));

            theirs.Status.Should().BeInRange(400, 499, "{0} {1}", method, path);
            theirs.Should().Be(nobodys, "{0} {1} must not tell whether it exists", method, path);
        }

        (await Site.Neighbour.RefreshAsync(cancellationToken)).State.Should().Be(SandboxState.Running);

        async Task<(int Status, string Body)> AskAsync(string path, string method, string id)
        {
            using var request = new HttpRequestMessage(new HttpMethod(method), path.Replace("{id}", id).Replace("{", "").Replace("}", ""));
            if (method is not ("get" or "delete" or "head"))
            {
                request.Content = new StringContent("""{"code":"1","value":"x"}""", Encoding.UTF8, "application/json");
            }

            using var answer = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
            var said = await answer.Content.ReadAsStringAsync(cancellationToken);
            return ((int)answer.StatusCode, said.Length == 0 ? "" : JsonDocument.Parse(said).RootElement.GetProperty("code").GetString()!);
        }
    }

    [TestCase("/API/V1/sandboxes")]
    [TestCase("//api/v1/sandboxes")]
    [TestCase("/api/v1/./sandboxes")]
    [TestCase("/api/v1/x/../sandboxes")]
    [TestCase("/api/v1/sandboxes;a=b")]
    [TestCase("/api/v1/sandboxes.")]
    [TestCase("/api%2fv1%2fsandboxes")]
    [TestCase("/api\\v1\\sandboxes")]
    [TestCase("/api/v1/sandboxes/%2e%2e/keys")]
    public async Task H17_No_way_of_writing_a_path_leads_past_the_key(string path)
    {
        using var socket = new System.Net.Sockets.TcpClient();
        await socket.ConnectAsync(IPAddress.Loopback, Gateway.Address.Port);
        await using var stream = socket.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes($"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
        using var reader = new StreamReader(stream);

        (await reader.ReadToEndAsync()).Should().MatchRegex("^HTTP/1.1 (401|404|400) ");
    }

    [Test]
    public async Task H19_Names_tags_and_variables_that_look_like_code_stay_text(CancellationToken cancellationToken)
    {
        const string Evil = "$(id) `id` ; rm -rf / \" ' \n - a: b {{x}} %s \\";
        var sandbox = await AttackerAsync(cancellationToken, new CreateSandboxRequest
        {
            Name = "$(id);`id` \"'{}",
            Tags = new Dictionary<string, string> { ["a$(id)"] = "';--" },
            Env = new Dictionary<string, string> { ["EVIL"] = Evil },
        });

        var result = await sandbox.RunCodeAsync("import os; print(os.environ['EVIL'], end='')", cancellationToken: cancellationToken);

        result.Stdout.Should().Be(Evil);
        (await sandbox.RefreshAsync(cancellationToken)).Name.Should().Be("$(id);`id` \"'{}");
    }

    [Test]
    public async Task H19_A_megabyte_where_a_name_belongs_is_refused_by_name(CancellationToken cancellationToken)
    {
        using var http = Site.HttpAs(Site.AttackersKey);
        foreach (var field in new[] { "name", "variant", "environment" })
        {
            using var answer = await http.PostAsJsonAsync("/api/v1/sandboxes", new Dictionary<string, string> { [field] = new('x', 1 << 20) }, cancellationToken);

            answer.StatusCode.Should().Be(HttpStatusCode.BadRequest);
            var problem = await answer.Content.ReadFromJsonAsync<JsonElement>(cancellationToken);
            problem.GetProperty("field").GetString().Should().Be(field);
            problem.GetProperty("detail").GetString()!.Length.Should().BeLessThan(500);
        }
    }

    [Test]
    public async Task H20_Ids_are_random_and_long(CancellationToken cancellationToken)
    {
        var one = await AttackerAsync(cancellationToken);
        var two = await AttackerAsync(cancellationToken);

        new[] { one.Id, two.Id }.Should().OnlyContain(id => id.Length == 32 && id.All(char.IsAsciiHexDigitLower));
        one.Id.Zip(two.Id).Count(pair => pair.First == pair.Second).Should().BeLessThan(16);
    }

    [Test]
    public async Task H22_No_answer_shows_the_inside_of_the_gateway(CancellationToken cancellationToken)
    {
        using var http = Site.HttpAs(Site.AttackersKey);
        var sandbox = await AttackerAsync(cancellationToken);
        string[] bodies = ["{", "[]", "null", "{\"code\":1}", "{\"code\":\"1\",\"x\":2}", "{\"code\":\"1\",\"contextId\":\"\\u0000\"}", "\u0000", "{\"timeoutSeconds\":\"NaN\",\"code\":\"1\"}", new string('[', 10_000)];
        foreach (var body in bodies)
        {
            using var answer = await http.PostAsync($"/api/v1/sandboxes/{sandbox.Id}/executions", new StringContent(body, Encoding.UTF8, "application/json"), cancellationToken);
            var said = await answer.Content.ReadAsStringAsync(cancellationToken);

            answer.StatusCode.Should().BeOneOf([HttpStatusCode.BadRequest, HttpStatusCode.NotFound], "{0} was answered {1}", body.Length > 100 ? body[..100] : body, said);
            said.Should().NotContain("   at ").And.NotContain("System.").And.NotContain(Gateway.DataFolder).And.NotContain("/KernelGateway");
        }
    }
}
