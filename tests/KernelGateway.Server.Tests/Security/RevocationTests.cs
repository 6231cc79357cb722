using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Server.Tests.Support;

namespace KernelGateway.Server.Tests.Security;

/// <summary>What was begun with a key ends with it (H02).</summary>
[Parallelizable(ParallelScope.All)]
public sealed class RevocationTests
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(5);

    private static LiveGateway Gateway => SharedGateway.Instance;

    [TestCase("text/event-stream")]
    [TestCase("application/x-ndjson")]
    public async Task H02_A_stream_of_events_ends_when_the_key_is_revoked(string type)
    {
        var (keyId, leaver, sandbox) = await LeaverAsync();
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/api/v1/sandboxes/{sandbox.Id}/events");
        request.Headers.Accept.ParseAdd(type);
        using var answer = await leaver.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        answer.EnsureSuccessStatusCode();
        var reading = answer.Content.ReadAsStringAsync();

        await RevokeAsync(keyId);

        (await reading.WaitAsync(Soon)).Should().Contain("running");
    }

    [Test]
    public async Task H02_A_hub_connection_is_cut_when_the_key_is_revoked()
    {
        var (keyId, leaver, sandbox) = await LeaverAsync();
        await using var hub = await RawHub.ConnectAsync(Gateway.Address, leaver.DefaultRequestHeaders.Authorization!.Parameter!);
        (await hub.InvokeAsync("RunCode", sandbox.Id, new { code = "1 + 1" })).TryGetProperty("error", out _).Should().BeFalse();

        await RevokeAsync(keyId);

        await hub.EndedAsync().WaitAsync(Soon);
    }

    [Test]
    public async Task H02_A_call_that_waits_is_answered_401_when_the_key_is_revoked_and_the_code_runs_on()
    {
        var (keyId, leaver, sandbox) = await LeaverAsync();
        var waiting = leaver.PostAsJsonAsync($"/api/v1/sandboxes/{sandbox.Id}/executions?wait=true", new { code = "input()", allowStdin = true });
        await leaver.WaitForAsync<Contracts.Events.InputRequestEvent>(sandbox.Id, 0);

        await RevokeAsync(keyId);

        using var answer = await waiting.WaitAsync(Soon);
        answer.StatusCode.Should().Be(HttpStatusCode.Unauthorized, await answer.Content.ReadAsStringAsync());
    }

    private static async Task<(string KeyId, HttpClient Client, SandboxInfo Sandbox)> LeaverAsync()
    {
        using var made = await Gateway.Http.PostAsJsonAsync("/api/v1/keys", new { owner = "admin" }); // The admin's sandboxes, so that the suite ends them.
        var key = await made.Content.ReadFromJsonAsync<JsonElement>();
        return (key.GetProperty("id").GetString()!, Gateway.ClientWith(key.GetProperty("key").GetString()), await Gateway.CreateAsync());
    }

    private static async Task RevokeAsync(string keyId)
    {
        using var revoked = await Gateway.Http.DeleteAsync($"/api/v1/keys/{keyId}");
        revoked.StatusCode.Should().Be(HttpStatusCode.NoContent);
    }
}
