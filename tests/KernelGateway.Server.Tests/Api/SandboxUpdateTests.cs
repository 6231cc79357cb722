using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using KernelGateway.Contracts;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Executions;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Server.Tests.Support;

namespace KernelGateway.Server.Tests.Api;

/// <summary>Changing sandboxes that live, and ending them, in a variant that has no limits.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class SandboxUpdateTests
{
    private static LiveGateway Gateway => SharedGateway.Instance;

    [Test]
    public async Task Name_tags_and_times_change_together_and_are_told_by_one_event()
    {
        var sandbox = await Gateway.CreateAsync(new { tags = new { keep = "1", drop = "2" }, lifetimeSeconds = 1000 });

        using var answer = await PatchAsync(sandbox.Id, """{"name":"New name","tags":{"drop":null,"add":"3"},"timeoutSeconds":7,"idleTimeoutSeconds":0,"expiresInSeconds":5000}""");

        answer.StatusCode.Should().Be(HttpStatusCode.OK, await answer.Content.ReadAsStringAsync());
        var info = (await answer.Content.ReadFromJsonAsync<SandboxInfo>())!;
        info.Name.Should().Be("New name");
        info.Tags.Should().BeEquivalentTo(new Dictionary<string, string> { ["keep"] = "1", ["add"] = "3" });
        info.TimeoutSeconds.Should().Be(7);
        info.IdleTimeoutSeconds.Should().Be(0);
        info.ExpiresAt.Should().BeCloseTo(TimeProvider.System.GetUtcNow().AddSeconds(5000), TimeSpan.FromSeconds(10));
        var told = (await Gateway.Http.AllAsync(sandbox.Id, sandbox.LastSequence)).OfType<SandboxChangedEvent>().Should().ContainSingle().Subject;
        told.Name.Should().Be("New name");
        told.Tags.Should().HaveCount(2);
        told.LifetimeSeconds.Should().BeGreaterThan(5000).And.BeLessThan(5100);
        told.Limits.Should().BeNull();
    }

    [Test]
    public async Task What_is_wrong_is_told_together_with_each_field_and_nothing_changes()
    {
        var sandbox = await Gateway.CreateAsync();

        using var answer = await PatchAsync(sandbox.Id, """{"name":"fine","cpu":1000,"memoryMb":1,"pids":3,"timeoutSeconds":-1,"tags":{"":"x"},"expiresInSeconds":0}""");

        answer.StatusCode.Should().Be(HttpStatusCode.BadRequest);
        var problem = await answer.Content.ReadFromJsonAsync<JsonElement>();
        problem.GetProperty("code").GetString().Should().Be("invalid_argument");
        problem.GetProperty("errors").EnumerateObject().Select(e => e.Name).Should().BeEquivalentTo("cpu", "memoryMb", "pids", "timeoutSeconds", "tags", "expiresInSeconds");
        (await GetAsync(sandbox.Id)).Name.Should().Be(sandbox.Name);
        (await Gateway.Http.AllAsync(sandbox.Id)).OfType<SandboxChangedEvent>().Should().BeEmpty();
    }

    [TestCase("""{"lifetimeSeconds":0.001}""", "lifetimeSeconds")]
    [TestCase("""{"lifetimeSeconds":10,"expiresInSeconds":10}""", "expiresInSeconds")]
    [TestCase("""{"expiresInSeconds":1e300}""", "expiresInSeconds")]
    [TestCase("""{"nonsense":1}""", "nonsense")]
    [TestCase("""{"cpu":"many"}""", "cpu")]
    public async Task A_single_wrong_field_is_named(string body, string field)
    {
        var sandbox = await Gateway.CreateAsync();
        using var answer = await PatchAsync(sandbox.Id, body);
        answer.StatusCode.Should().Be(HttpStatusCode.BadRequest);
        (await answer.Content.ReadAsStringAsync()).Should().Contain(field);
    }

    [Test]
    public async Task A_variant_without_limits_refuses_to_change_them_and_names_those_that_can_and_changes_nothing_else()
    {
        var sandbox = await Gateway.CreateAsync();

        using var answer = await PatchAsync(sandbox.Id, """{"name":"other","memoryMb":256}""");

        answer.StatusCode.Should().Be(HttpStatusCode.BadRequest);
        var problem = await answer.Content.ReadFromJsonAsync<JsonElement>();
        problem.GetProperty("code").GetString().Should().Be("not_supported");
        problem.GetProperty("detail").GetString().Should().Contain("'local-eval'").And.Contain("These can: local, local-docker.");
        (await GetAsync(sandbox.Id)).Name.Should().Be(sandbox.Name);
        using var usage = await Gateway.Http.GetAsync($"/api/v1/sandboxes/{sandbox.Id}/usage");
        (await usage.Content.ReadAsStringAsync()).Should().Contain("not_supported");
    }

    [Test]
    public async Task The_end_moves_closer_and_says_lifetime()
    {
        var sandbox = await Gateway.CreateAsync();

        using var answer = await PatchAsync(sandbox.Id, """{"expiresInSeconds":1}""");

        answer.IsSuccessStatusCode.Should().BeTrue();
        var end = await Gateway.Http.WaitForAsync<SandboxStateEvent>(sandbox.Id, 0, e => e.State == SandboxState.Terminated);
        end.ReasonCode.Should().Be(ReasonCodes.Lifetime);
        (await GetAsync(sandbox.Id)).StateReasonCode.Should().Be(ReasonCodes.Lifetime);
    }

    [Test]
    public async Task A_new_default_time_limit_holds_from_the_next_run_on()
    {
        var sandbox = await Gateway.CreateAsync();
        using var answer = await PatchAsync(sandbox.Id, """{"timeoutSeconds":0.5}""");

        var run = await Gateway.RunAsync(sandbox.Id, "import time; time.sleep(60)");

        run.ReasonCode.Should().Be(ReasonCodes.Timeout);
    }

    [Test]
    public async Task L02_of_a_hundred_deletes_at_once_each_is_answered_and_the_state_moves_once()
    {
        var sandbox = await Gateway.CreateAsync();

        var answers = await Task.WhenAll(Enumerable.Range(0, 100).Select(_ => Gateway.Http.DeleteAsync($"/api/v1/sandboxes/{sandbox.Id}")));

        answers.Select(a => a.StatusCode).Should().AllSatisfy(s => s.Should().BeOneOf(HttpStatusCode.NoContent, HttpStatusCode.NotFound));
        answers.Select(a => a.StatusCode).Should().Contain(HttpStatusCode.NoContent);
        (await Gateway.Http.AllAsync(sandbox.Id)).OfType<SandboxStateEvent>().Select(e => e.State)
            .Should().Equal(SandboxState.Starting, SandboxState.Running, SandboxState.Terminated);
        Array.ForEach(answers, a => a.Dispose());
    }

    [TestCase("", "terminated")]
    [TestCase("?graceSeconds=0", "killed")]
    public async Task L01_an_end_during_a_run_cancels_it_once_and_says_how(string query, string code)
    {
        var sandbox = await Gateway.CreateAsync();
        using var started = await Gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandbox.Id}/executions", new { code = "print('begun', flush=True)\nimport time; time.sleep(60)" });
        var run = (await started.Content.ReadFromJsonAsync<ExecutionInfo>())!;
        await Gateway.Http.WaitForAsync<OutputEvent>(sandbox.Id, run.FirstSequence);

        using var ended = await Gateway.Http.DeleteAsync($"/api/v1/sandboxes/{sandbox.Id}{query}");

        ended.StatusCode.Should().Be(HttpStatusCode.NoContent);
        (await GetAsync(sandbox.Id)).StateReasonCode.Should().Be(code);
        var finished = (await Gateway.Http.AllAsync(sandbox.Id)).OfType<ExecutionFinishedEvent>().Should().ContainSingle().Subject;
        finished.Status.Should().Be(ExecutionStatus.Cancelled);
        finished.ReasonCode.Should().Be(code);
        foreach (var (method, path, body) in new[]
        {
            (HttpMethod.Post, "/executions", """{"code":"1"}"""), (HttpMethod.Patch, "", """{"name":"x"}"""), (HttpMethod.Get, "/usage", ""), (HttpMethod.Post, "/restart", "{}"),
        })
        {
            using var request = new HttpRequestMessage(method, $"/api/v1/sandboxes/{sandbox.Id}{path}");
            request.Content = body.Length == 0 ? null : new StringContent(body, System.Text.Encoding.UTF8, "application/json");
            using var refused = await Gateway.Http.SendAsync(request);
            refused.StatusCode.Should().Be(HttpStatusCode.Conflict, $"{method} {path}");
            (await refused.Content.ReadAsStringAsync()).Should().Contain("by its owner");
        }
    }

    [Test]
    public async Task L01_an_end_during_the_start_is_not_held_up_by_it_and_leaves_nothing_that_runs()
    {
        var owner = $"early-{Guid.NewGuid():N}";
        using var http = await Gateway.OtherOwnerAsync(owner);
        var creating = http.PostAsJsonAsync("/api/v1/sandboxes", new { });
        SandboxInfo? starting = null;
        while (starting is null && !creating.IsCompleted)
        {
            starting = (await http.GetFromJsonAsync<SandboxList>("/api/v1/sandboxes"))!.Items is [var first, ..] ? first : null;
        }

        using var ended = await http.DeleteAsync($"/api/v1/sandboxes/{starting!.Id}?graceSeconds=0");

        ended.StatusCode.Should().Be(HttpStatusCode.NoContent);
        using var created = await creating;
        created.StatusCode.Should().BeOneOf(HttpStatusCode.Conflict, HttpStatusCode.Created);
        var info = (await http.GetFromJsonAsync<SandboxInfo>($"/api/v1/sandboxes/{starting.Id}"))!;
        info.State.Should().Be(SandboxState.Terminated);
        info.StateReasonCode.Should().BeOneOf(ReasonCodes.Terminated, ReasonCodes.Killed);
    }

    [Test]
    public async Task L01_an_end_during_a_restart_is_not_held_up_by_it()
    {
        var sandbox = await Gateway.CreateAsync();
        var restarting = Gateway.Http.PostAsync($"/api/v1/sandboxes/{sandbox.Id}/restart", null);
        await Gateway.Http.WaitForAsync<KernelStateEvent>(sandbox.Id, sandbox.LastSequence, e => e.State == KernelState.Restarting);

        using var ended = await Gateway.Http.DeleteAsync($"/api/v1/sandboxes/{sandbox.Id}?graceSeconds=0");

        ended.StatusCode.Should().Be(HttpStatusCode.NoContent);
        using var restarted = await restarting;
        restarted.StatusCode.Should().BeOneOf(HttpStatusCode.Conflict, HttpStatusCode.OK);
        (await GetAsync(sandbox.Id)).State.Should().Be(SandboxState.Terminated);
    }

    private static async Task<SandboxInfo> GetAsync(string id) => (await Gateway.Http.GetFromJsonAsync<SandboxInfo>($"/api/v1/sandboxes/{id}"))!;

    private static Task<HttpResponseMessage> PatchAsync(string id, string json) =>
        Gateway.Http.PatchAsync($"/api/v1/sandboxes/{id}", new StringContent(json, System.Text.Encoding.UTF8, "application/merge-patch+json"));
}
