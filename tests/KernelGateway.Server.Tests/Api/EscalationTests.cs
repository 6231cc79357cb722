using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using KernelGateway.Contracts;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Executions;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Server.Tests.Support;

namespace KernelGateway.Server.Tests.Api;

/// <summary>Runs that do not stop when they are asked to: more and more force is used, each step is told, and the answer comes in time.</summary>
[Parallelizable(ParallelScope.None)]
public sealed class EscalationTests
{
    private const string Ignorer = "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nprint('begun', flush=True)\nwhile True: time.sleep(0.1)";

    /// <summary>Time limit, all graces, and what a busy machine needs to end and read a kernel.</summary>
    private static readonly TimeSpan InTime = TimeSpan.FromSeconds(1 + 1 + 1 + 3);

    private LiveGateway _gateway = null!;

    [OneTimeSetUp]
    public async Task Start() => _gateway = await LiveGateway.StartAsync(
        ("Gateway:Sandboxes:InterruptGrace", "00:00:01"), ("Gateway:Sandboxes:ChildrenGrace", "00:00:01"), ("Gateway:Sandboxes:KillGrace", "00:00:03"));

    [OneTimeTearDown]
    public async Task Stop() => await _gateway.DisposeAsync();

    [TestCase(Ignorer, TestName = "R14_code_that_ignores_SIGINT_is_ended_within_its_time_and_the_graces")]
    [TestCase("import collections, itertools\nprint('begun', flush=True)\ncollections.deque(itertools.repeat(0), maxlen=0)", TestName = "R14_code_that_holds_the_GIL_in_C_is_ended_within_its_time_and_the_graces")]
    [TestCase("import os, signal\nprint('begun', flush=True)\nos.kill(os.getpid(), signal.SIGSTOP)", TestName = "L08_a_kernel_that_has_stopped_itself_is_ended_within_its_time_and_the_graces")]
    public async Task A_run_that_cannot_be_interrupted_ends_in_time(string code)
    {
        var sandbox = await _gateway.CreateAsync();
        var began = Stopwatch.GetTimestamp();

        var run = await RunAsync(sandbox.Id, code, timeoutSeconds: 1);

        var took = Stopwatch.GetElapsedTime(began);
        await TestContext.Out.WriteLineAsync($"ended after {took.TotalSeconds:0.0} s");
        run.Status.Should().Be(ExecutionStatus.Timeout);
        run.ReasonCode.Should().Be(ReasonCodes.Timeout);
        run.Reason.Should().Contain("killed");
        run.Result!.Stdout.Should().Be("begun\n", "partial output is kept");
        took.Should().BeLessThan(InTime);
        var told = (await _gateway.Http.AllAsync(sandbox.Id, run.FirstSequence)).OfType<EscalationEvent>().Where(e => e.ExecutionId == run.Id).ToList();
        told.Select(e => e.Step).Should().StartWith([EscalationStep.Interrupt, EscalationStep.TerminateChildren, EscalationStep.KillKernel]).And.HaveCount(3);
        told.Should().AllSatisfy(e => e.ReasonCode.Should().Be(ReasonCodes.Timeout));
        var context = (await _gateway.Http.GetFromJsonAsync<SandboxInfo>($"/api/v1/sandboxes/{sandbox.Id}"))!.Contexts[0];
        context.State.Should().Be(KernelState.Dead);
        context.ReasonCode.Should().Be(ReasonCodes.Killed);
        await RestartAndUseAsync(sandbox.Id);
    }

    [TestCase("print('begun', flush=True)\n10**10**8", TestName = "R22_a_number_that_is_never_done_ends_in_time")]
    [TestCase("import re\nprint('begun', flush=True)\nre.match('(a+)+$', 'a' * 64 + 'b')", TestName = "R22_a_catastrophic_regex_ends_in_time")]
    public async Task R22_a_bomb_of_code_ends_in_time(string code)
    {
        var sandbox = await _gateway.CreateAsync();
        var began = Stopwatch.GetTimestamp();

        var run = await RunAsync(sandbox.Id, code, timeoutSeconds: 1);

        run.Status.Should().Be(ExecutionStatus.Timeout);
        run.ReasonCode.Should().Be(ReasonCodes.Timeout);
        run.Result!.Stdout.Should().Be("begun\n");
        Stopwatch.GetElapsedTime(began).Should().BeLessThan(InTime, "by the interrupt where this Python heeds it, by force otherwise");
    }

    [Test]
    public async Task R13_a_busy_loop_is_interrupted_at_its_time_limit_and_nothing_more_is_done()
    {
        var sandbox = await _gateway.CreateAsync();
        await _gateway.RunAsync(sandbox.Id, "x = 5");

        var run = await RunAsync(sandbox.Id, "print('begun', flush=True)\nwhile True: pass", timeoutSeconds: 1);

        run.Status.Should().Be(ExecutionStatus.Timeout);
        run.ReasonCode.Should().Be(ReasonCodes.Timeout);
        run.Result!.Stdout.Should().Be("begun\n");
        (await _gateway.Http.AllAsync(sandbox.Id, run.FirstSequence)).OfType<EscalationEvent>().Select(e => e.Step).Should().Equal(EscalationStep.Interrupt);
        (await _gateway.RunAsync(sandbox.Id, "x")).Result!.Results[0].Data["text/plain"].GetString().Should().Be("5", "the kernel lives");
    }

    [Test]
    public async Task A_run_that_waits_for_a_child_which_ignores_the_interrupt_ends_when_the_child_is_terminated()
    {
        var sandbox = await _gateway.CreateAsync();
        await _gateway.RunAsync(sandbox.Id, "x = 5");

        // The kernel waits in C for a child that has a session of its own, and swallows interrupts as a tidy program may.
        const string Code = """
            import subprocess
            child = subprocess.Popen(['sleep', '100'], start_new_session=True)
            print('begun', flush=True)
            while True:
                try:
                    code = child.wait()
                    break
                except KeyboardInterrupt:
                    pass
            print('child', code)
            """;
        var run = await RunAsync(sandbox.Id, Code, timeoutSeconds: 1);

        run.Status.Should().Be(ExecutionStatus.Timeout);
        run.Result!.Stdout.Should().Be("begun\nchild -15\n", "SIGTERM reached the child and not the kernel");
        (await _gateway.Http.AllAsync(sandbox.Id, run.FirstSequence)).OfType<EscalationEvent>().Select(e => e.Step)
            .Should().Equal(EscalationStep.Interrupt, EscalationStep.TerminateChildren);
        (await _gateway.RunAsync(sandbox.Id, "x")).Result!.Results[0].Data["text/plain"].GetString().Should().Be("5", "the kernel lives");
    }

    [Test]
    public async Task An_interrupt_of_a_user_is_only_an_interrupt_and_with_force_it_ends_the_run_and_says_who()
    {
        var sandbox = await _gateway.CreateAsync();
        using var answer = await _gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandbox.Id}/executions", new { code = Ignorer });
        var run = (await answer.Content.ReadFromJsonAsync<ExecutionInfo>())!;
        await _gateway.Http.WaitForAsync<OutputEvent>(sandbox.Id, run.FirstSequence);

        await InterruptAsync(sandbox.Id, run.Id, "");
        var first = await _gateway.Http.WaitForAsync<EscalationEvent>(sandbox.Id, run.FirstSequence);
        first.Step.Should().Be(EscalationStep.Interrupt);
        first.Reason.Should().Contain("admin");
        await InterruptAsync(sandbox.Id, run.Id, "?force=true");
        var ended = await EndAsync(sandbox.Id, run.Id);

        ended.Status.Should().Be(ExecutionStatus.Interrupted);
        ended.ReasonCode.Should().Be(ReasonCodes.Interrupted);
        ended.Reason.Should().Contain("admin").And.Contain("killed");
        (await _gateway.Http.AllAsync(sandbox.Id, run.FirstSequence)).OfType<EscalationEvent>().Select(e => e.Step)
            .Should().Equal(EscalationStep.Interrupt, EscalationStep.Interrupt, EscalationStep.TerminateChildren, EscalationStep.KillKernel);
        await RestartAndUseAsync(sandbox.Id);
    }

    [Test]
    public async Task Force_in_the_body_works_as_well_and_runs_that_wait_are_cancelled_with_the_reason()
    {
        var sandbox = await _gateway.CreateAsync();
        using var answer = await _gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandbox.Id}/executions", new { code = Ignorer });
        var run = (await answer.Content.ReadFromJsonAsync<ExecutionInfo>())!;
        using var behind = await _gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandbox.Id}/executions", new { code = "1" });
        var waiting = (await behind.Content.ReadFromJsonAsync<ExecutionInfo>())!;
        await _gateway.Http.WaitForAsync<OutputEvent>(sandbox.Id, run.FirstSequence);

        using var forced = await _gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandbox.Id}/executions/{run.Id}/interrupt", new InterruptRequest(Escalate: true));

        forced.StatusCode.Should().Be(HttpStatusCode.NoContent);
        (await EndAsync(sandbox.Id, run.Id)).Status.Should().Be(ExecutionStatus.Interrupted);
        var cancelled = await EndAsync(sandbox.Id, waiting.Id);
        cancelled.Status.Should().Be(ExecutionStatus.Cancelled);
        cancelled.ReasonCode.Should().Be(ReasonCodes.Killed);
    }

    [Test]
    public async Task When_the_agent_is_stopped_too_the_sandbox_is_ended_and_the_run_still_says_timeout()
    {
        var sandbox = await _gateway.CreateAsync();
        var began = Stopwatch.GetTimestamp();

        // The kernel's parent is the agent, which alone could pass the signals on.
        var run = await RunAsync(sandbox.Id, "import os, signal\nprint('begun', flush=True)\nos.kill(os.getppid(), signal.SIGSTOP)\nwhile True: pass", timeoutSeconds: 1);

        run.Status.Should().Be(ExecutionStatus.Timeout);
        run.ReasonCode.Should().Be(ReasonCodes.Timeout);
        run.Result!.Stdout.Should().Be("begun\n");
        Stopwatch.GetElapsedTime(began).Should().BeLessThan(InTime + TimeSpan.FromSeconds(3));
        var end = await _gateway.Http.WaitForAsync<SandboxStateEvent>(sandbox.Id, 0, e => e.State == SandboxState.Failed);
        end.ReasonCode.Should().Be(ReasonCodes.Timeout);
        (await _gateway.Http.AllAsync(sandbox.Id, run.FirstSequence)).OfType<EscalationEvent>().Select(e => e.Step).Should().Equal(Enum.GetValues<EscalationStep>());
    }

    private async Task<ExecutionInfo> RunAsync(string sandboxId, string code, double timeoutSeconds)
    {
        using var answer = await _gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandboxId}/executions?wait=true", new { code, timeoutSeconds });
        answer.IsSuccessStatusCode.Should().BeTrue(await answer.Content.ReadAsStringAsync());
        return (await answer.Content.ReadFromJsonAsync<ExecutionInfo>())!;
    }

    private async Task InterruptAsync(string sandboxId, string executionId, string query)
    {
        using var answer = await _gateway.Http.PostAsync($"/api/v1/sandboxes/{sandboxId}/executions/{executionId}/interrupt{query}", null);
        answer.StatusCode.Should().Be(HttpStatusCode.NoContent, await answer.Content.ReadAsStringAsync());
    }

    private async Task<ExecutionInfo> EndAsync(string sandboxId, string executionId) =>
        (await _gateway.Http.GetFromJsonAsync<ExecutionInfo>($"/api/v1/sandboxes/{sandboxId}/executions/{executionId}?wait=true"))!;

    private async Task RestartAndUseAsync(string sandboxId)
    {
        using var restarted = await _gateway.Http.PostAsync($"/api/v1/sandboxes/{sandboxId}/restart", null);
        restarted.IsSuccessStatusCode.Should().BeTrue(await restarted.Content.ReadAsStringAsync());
        (await _gateway.RunAsync(sandboxId, "6*7")).Result!.Results[0].Data["text/plain"].GetString().Should().Be("42");
    }
}
