using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Executions;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Server.Tests.Support;

namespace KernelGateway.Server.Tests.Api;

[Parallelizable(ParallelScope.All)]
public sealed class ExecutionTests
{
    private static LiveGateway Gateway => SharedGateway.Instance;

    [Test]
    public async Task A_run_gives_its_text_its_value_and_its_count()
    {
        var sandbox = await Gateway.CreateAsync();

        var run = await Gateway.RunAsync(sandbox.Id, "import sys\nprint('out')\nprint('err', file=sys.stderr)\n6*7");

        run.State.Should().Be(ExecutionState.Finished);
        run.Status.Should().Be(ExecutionStatus.Ok);
        run.ExecutionCount.Should().Be(1);
        run.Result!.Stdout.Should().Be("out\n");
        run.Result.Stderr.Should().Be("err\n");
        run.Result.Results.Should().ContainSingle(r => r.IsMainResult).Which.Data["text/plain"].GetString().Should().Be("42");
        run.FinishedAt.Should().BeOnOrAfter(run.StartedAt!.Value).And.BeOnOrAfter(run.CreatedAt);
    }

    [Test]
    public async Task Variables_live_from_run_to_run_and_errors_are_typed()
    {
        var sandbox = await Gateway.CreateAsync();
        await Gateway.RunAsync(sandbox.Id, "x = 41");

        (await Gateway.RunAsync(sandbox.Id, "x + 1")).Result!.Results[0].Data["text/plain"].GetString().Should().Be("42");
        var failed = await Gateway.RunAsync(sandbox.Id, "1/0");
        failed.Status.Should().Be(ExecutionStatus.Error);
        failed.Result!.Error!.Name.Should().Be("ZeroDivisionError");
        failed.Result.Error.Value.Should().Be("division by zero");
        failed.Result.Error.Traceback.Should().NotBeEmpty();
        (await Gateway.RunAsync(sandbox.Id, "x")).Status.Should().Be(ExecutionStatus.Ok);
    }

    [Test]
    public async Task A_run_without_waiting_is_accepted_at_once_and_can_be_found()
    {
        var sandbox = await Gateway.CreateAsync();

        using var answer = await Gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandbox.Id}/executions", new { code = "import time; time.sleep(0.3); print('late')" });

        answer.StatusCode.Should().Be(HttpStatusCode.Accepted);
        var accepted = (await answer.Content.ReadFromJsonAsync<ExecutionInfo>())!;
        accepted.State.Should().NotBe(ExecutionState.Finished);
        var done = await Gateway.Http.GetFromJsonAsync<ExecutionInfo>($"{answer.Headers.Location}?wait=true");
        done!.Id.Should().Be(accepted.Id);
        done.Result!.Stdout.Should().Be("late\n");
    }

    [Test]
    public async Task A_caller_that_goes_away_does_not_stop_the_run()
    {
        var sandbox = await Gateway.CreateAsync();
        using var gone = new CancellationTokenSource();
        var waiting = Gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandbox.Id}/executions?wait=true", new { code = "import time\nprint('begun')\ntime.sleep(1)\nprint('ended')" }, gone.Token);
        var begun = await Gateway.Http.WaitForAsync<OutputEvent>(sandbox.Id, 0);

        await gone.CancelAsync();
        await FluentActions.Awaiting(() => waiting).Should().ThrowAsync<OperationCanceledException>();

        var finished = await Gateway.Http.WaitForAsync<ExecutionFinishedEvent>(sandbox.Id, begun.Sequence);
        finished.Status.Should().Be(ExecutionStatus.Ok);
        (await Gateway.Http.GetFromJsonAsync<ExecutionInfo>($"/api/v1/sandboxes/{sandbox.Id}/executions/{finished.ExecutionId}"))!.Result!.Stdout.Should().Be("begun\nended\n");
    }

    [TestCase("import time; time.sleep(60)")]
    [TestCase("while True: pass")]
    public async Task An_interrupt_stops_the_run_and_leaves_the_variables(string code)
    {
        var sandbox = await Gateway.CreateAsync();
        await Gateway.RunAsync(sandbox.Id, "kept = 'yes'");
        var run = await StartAsync(sandbox.Id, $"print('begun')\n{code}");
        await Gateway.Http.WaitForAsync<OutputEvent>(sandbox.Id, run.FirstSequence);

        using var answer = await Gateway.Http.PostAsync($"/api/v1/sandboxes/{sandbox.Id}/executions/{run.Id}/interrupt", null);

        answer.StatusCode.Should().Be(HttpStatusCode.NoContent);
        var ended = await EndOfAsync(sandbox.Id, run.Id);
        ended.Status.Should().Be(ExecutionStatus.Interrupted);
        ended.Result!.Error!.Name.Should().Be("KeyboardInterrupt");
        (await Gateway.RunAsync(sandbox.Id, "kept")).Result!.Results[0].Data["text/plain"].GetString().Should().Be("'yes'");
    }

    [Test]
    public async Task An_interrupt_right_after_the_start_is_not_lost()
    {
        var sandbox = await Gateway.CreateAsync();
        for (var i = 0; i < 20; i++)
        {
            var run = await StartAsync(sandbox.Id, "import time; time.sleep(60)");
            using var answer = await Gateway.Http.PostAsync($"/api/v1/sandboxes/{sandbox.Id}/executions/{run.Id}/interrupt", null);
            (await EndOfAsync(sandbox.Id, run.Id)).Status.Should().BeOneOf([ExecutionStatus.Interrupted, ExecutionStatus.Cancelled], $"round {i}");
        }
    }

    [Test]
    public async Task Runs_wait_for_their_turn_and_one_that_waits_can_be_taken_out()
    {
        var sandbox = await Gateway.CreateAsync();
        var first = await StartAsync(sandbox.Id, "order = ['first']; input()");
        var second = await StartAsync(sandbox.Id, "order.append('second')");
        var third = await StartAsync(sandbox.Id, "order.append('third')");
        second.State.Should().Be(ExecutionState.Queued);

        using var interrupted = await Gateway.Http.PostAsync($"/api/v1/sandboxes/{sandbox.Id}/executions/{second.Id}/interrupt", null);
        (await EndOfAsync(sandbox.Id, second.Id)).Status.Should().Be(ExecutionStatus.Cancelled);
        await ReplyAsync(sandbox.Id, first.Id, "go");
        (await EndOfAsync(sandbox.Id, third.Id)).Status.Should().Be(ExecutionStatus.Ok);

        (await Gateway.RunAsync(sandbox.Id, "order")).Result!.Results[0].Data["text/plain"].GetString().Should().Be("['first', 'third']");
    }

    [Test]
    public async Task Input_is_asked_for_by_an_event_and_answered_over_REST()
    {
        var sandbox = await Gateway.CreateAsync();
        var run = await StartAsync(sandbox.Id, "name = input('Who? ')\nprint('Hello', name)");

        await ReplyAsync(sandbox.Id, run.Id, "Zoë \"quoted\"");

        (await EndOfAsync(sandbox.Id, run.Id)).Result!.Stdout.Should().Contain("Hello Zoë \"quoted\"");
        using var again = await Gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandbox.Id}/executions/{run.Id}/input", new { value = "late" });
        again.StatusCode.Should().Be(HttpStatusCode.Conflict);
    }

    [Test]
    public async Task A_run_past_its_time_limit_is_interrupted_and_keeps_what_it_printed()
    {
        var sandbox = await Gateway.CreateAsync();
        using var answer = await Gateway.Http.PostAsJsonAsync(
            $"/api/v1/sandboxes/{sandbox.Id}/executions?wait=true",
            new { code = "print('partial', flush=True)\nwhile True: pass", timeoutSeconds = 1 });
        var run = (await answer.Content.ReadFromJsonAsync<ExecutionInfo>())!;

        run.Status.Should().Be(ExecutionStatus.Timeout);
        run.Result!.Stdout.Should().Be("partial\n");
        (await Gateway.RunAsync(sandbox.Id, "1")).Status.Should().Be(ExecutionStatus.Ok);
    }

    [TestCase("import os, signal; print('last words', flush=True); os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL")]
    [TestCase("import os; print('last words', flush=True); os._exit(3)", "code 3")]
    [TestCase("import ctypes; print('last words', flush=True); ctypes.string_at(0)", "SIGSEGV")]
    public async Task A_kernel_that_dies_says_how_and_the_sandbox_can_restart(string code, string reason)
    {
        var sandbox = await Gateway.CreateAsync();
        var run = await Gateway.RunAsync(sandbox.Id, code);

        run.Status.Should().Be(ExecutionStatus.KernelDied);
        run.Reason.Should().Contain(reason);
        run.Result!.Stdout.Should().Be("last words\n");
        using var refused = await Gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandbox.Id}/executions", new { code = "1" });
        refused.StatusCode.Should().Be(HttpStatusCode.Conflict);
        (await refused.Content.ReadAsStringAsync()).Should().Contain("Restart");

        using var restarted = await Gateway.Http.PostAsync($"/api/v1/sandboxes/{sandbox.Id}/restart", null);
        (await restarted.Content.ReadFromJsonAsync<SandboxInfo>())!.Contexts[0].State.Should().Be(KernelState.Idle);
        (await Gateway.RunAsync(sandbox.Id, "6*7")).Result!.Results[0].Data["text/plain"].GetString().Should().Be("42");
    }

    [Test]
    public async Task A_restart_cancels_what_runs_and_waits_and_forgets_the_variables()
    {
        var sandbox = await Gateway.CreateAsync();
        var running = await StartAsync(sandbox.Id, "x = 1\nprint('begun')\nimport time; time.sleep(60)");
        var waiting = await StartAsync(sandbox.Id, "x");
        await Gateway.Http.WaitForAsync<OutputEvent>(sandbox.Id, running.FirstSequence);

        using var restarted = await Gateway.Http.PostAsync($"/api/v1/sandboxes/{sandbox.Id}/restart", null);

        restarted.StatusCode.Should().Be(HttpStatusCode.OK);
        (await EndOfAsync(sandbox.Id, running.Id)).Status.Should().Be(ExecutionStatus.Cancelled);
        (await EndOfAsync(sandbox.Id, waiting.Id)).Status.Should().Be(ExecutionStatus.Cancelled);
        (await EndOfAsync(sandbox.Id, running.Id)).ReasonCode.Should().Be("restarted");
        (await Gateway.RunAsync(sandbox.Id, "x")).Result!.Error!.Name.Should().Be("NameError");
    }

    [Test]
    public async Task The_same_key_gives_the_same_run()
    {
        var sandbox = await Gateway.CreateAsync();
        await Gateway.RunAsync(sandbox.Id, "n = 0");
        var ids = await Task.WhenAll(Enumerable.Range(0, 8).Select(async _ =>
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, $"/api/v1/sandboxes/{sandbox.Id}/executions?wait=true")
            {
                Content = JsonContent.Create(new { code = "n += 1; n" }),
                Headers = { { "Idempotency-Key", "once" } },
            };
            using var answer = await Gateway.Http.SendAsync(request);
            return (await answer.Content.ReadFromJsonAsync<ExecutionInfo>())!.Id;
        }));

        ids.Distinct().Should().ContainSingle();
        (await Gateway.RunAsync(sandbox.Id, "n")).Result!.Results[0].Data["text/plain"].GetString().Should().Be("1");
        using var other = new HttpRequestMessage(HttpMethod.Post, $"/api/v1/sandboxes/{sandbox.Id}/executions")
        {
            Content = JsonContent.Create(new { code = "something else" }),
            Headers = { { "Idempotency-Key", "once" } },
        };
        using var conflict = await Gateway.Http.SendAsync(other);
        conflict.StatusCode.Should().Be(HttpStatusCode.Conflict);
    }

    private static async Task<ExecutionInfo> StartAsync(string sandboxId, string code)
    {
        using var answer = await Gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandboxId}/executions", new { code });
        answer.StatusCode.Should().Be(HttpStatusCode.Accepted, await answer.Content.ReadAsStringAsync());
        return (await answer.Content.ReadFromJsonAsync<ExecutionInfo>())!;
    }

    private static async Task<ExecutionInfo> EndOfAsync(string sandboxId, string executionId) =>
        (await Gateway.Http.GetFromJsonAsync<ExecutionInfo>($"/api/v1/sandboxes/{sandboxId}/executions/{executionId}?wait=true"))!;

    private static async Task ReplyAsync(string sandboxId, string executionId, string value)
    {
        var asked = await Gateway.Http.WaitForAsync<InputRequestEvent>(sandboxId, 0, e => e.ExecutionId == executionId);
        asked.Should().NotBeNull();
        using var answer = await Gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandboxId}/executions/{executionId}/input", new { value });
        answer.StatusCode.Should().Be(HttpStatusCode.NoContent, await answer.Content.ReadAsStringAsync());
    }
}
