using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Server.Tests.Support;

namespace KernelGateway.Server.Tests.Api;

/// <summary>Pausing over REST and the hub, with plain processes.</summary>
[CancelAfter(60_000)]
public sealed class PauseTests
{
    private static LiveGateway Gateway => SharedGateway.Instance;

    [Test]
    public async Task Rest_and_hub_pause_and_resume_with_events_that_say_so()
    {
        var sandbox = await Gateway.CreateAsync();
        await using var hub = await RawHub.ConnectAsync(Gateway.Address, Gateway.Key);

        (await PostAsync(Gateway, $"{sandbox.Id}/pause", new { autoResume = true })).Should().Match<SandboxInfo>(it => it.State == SandboxState.Paused && it.AutoResume);
        (await hub.InvokeAsync("ResumeSandbox", sandbox.Id)).GetProperty("result").GetProperty("state").GetString().Should().Be("running");
        (await hub.InvokeAsync("PauseSandbox", sandbox.Id, null)).GetProperty("result").GetProperty("state").GetString().Should().Be("paused");
        (await Gateway.RunAsync(sandbox.Id, "print(6*7)")).Result!.Stdout.Should().Be("42\n");

        var states = (await Gateway.Http.AllAsync(sandbox.Id)).OfType<SandboxStateEvent>().ToList();
        states.Select(s => s.State).Should().Equal(SandboxState.Starting, SandboxState.Running, SandboxState.Paused, SandboxState.Running, SandboxState.Paused, SandboxState.Running);
        states[^1].Reason.Should().Be("It was used.");
        var paused = (await Gateway.Http.GetFromJsonAsync<SandboxList>("/api/v1/sandboxes?state=paused"))!;
        paused.Items.Should().NotContain(it => it.Id == sandbox.Id);
    }

    [Test]
    public async Task One_that_has_ended_is_neither_paused_nor_resumed()
    {
        var sandbox = await Gateway.CreateAsync();
        await Gateway.Http.DeleteAsync(new Uri($"/api/v1/sandboxes/{sandbox.Id}", UriKind.Relative));

        foreach (var act in new[] { "pause", "resume" })
        {
            using var answer = await Gateway.Http.PostAsync(new Uri($"/api/v1/sandboxes/{sandbox.Id}/{act}", UriKind.Relative), null);
            answer.StatusCode.Should().Be(HttpStatusCode.Conflict);
            (await answer.Content.ReadAsStringAsync()).Should().Contain("terminated");
        }
    }

    [Test]
    public async Task A_variant_that_cannot_says_which_can()
    {
        Requires.Module("jupyter_server");
        await using var gateway = await LiveGateway.StartAsync(("Gateway:LocalJupyter:StartServers", "true"));
        var sandbox = await gateway.CreateAsync(new { variant = "local-jupyter" });

        using var answer = await gateway.Http.PostAsync(new Uri($"/api/v1/sandboxes/{sandbox.Id}/pause", UriKind.Relative), null);

        answer.StatusCode.Should().Be(HttpStatusCode.BadRequest);
        var problem = await answer.Content.ReadFromJsonAsync<JsonElement>();
        problem.GetProperty("code").GetString().Should().Be("not_supported");
        problem.GetProperty("detail").GetString().Should().Contain("'local-jupyter'").And.Contain("local, local-docker, local-eval");
        (await gateway.RunAsync(sandbox.Id, "print(6*7)")).Result!.Stdout.Should().Be("42\n", "it goes on as before");
    }

    private static async Task<SandboxInfo> PostAsync(LiveGateway gateway, string path, object? body)
    {
        using var answer = await gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{path}", body);
        answer.IsSuccessStatusCode.Should().BeTrue(await answer.Content.ReadAsStringAsync());
        return (await answer.Content.ReadFromJsonAsync<SandboxInfo>())!;
    }
}
