using System.Diagnostics;
using KernelGateway.Client;
using KernelGateway.Contracts;
using KernelGateway.Contracts.Errors;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Executions;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.EndToEnd.Tests.Support;

namespace KernelGateway.EndToEnd.Tests;

/// <summary>Every limit of a real container is hit: it holds, it is told by a stable word, and the sandbox goes on.</summary>
[NonParallelizable]
public sealed class LimitTests : GatewayFixture
{
    private static readonly TimeSpan TwoSeconds = TimeSpan.FromSeconds(2);

    [Test]
    public async Task R04_a_memory_hog_in_the_kernel_ends_with_oom_within_two_seconds(CancellationToken cancellationToken)
    {
        await using var sandbox = await CreateAsync(memoryMb: 192, cancellationToken: cancellationToken);
        var began = Stopwatch.GetTimestamp();

        var result = await sandbox.RunCodeAsync("print('begun', flush=True)\nhog = []\nwhile True: hog.append(b'x' * (8 << 20))", cancellationToken: cancellationToken);

        var took = Stopwatch.GetElapsedTime(began);
        await TestContext.Out.WriteLineAsync($"ended after {took.TotalSeconds:0.00} s");
        took.Should().BeLessThan(TwoSeconds);
        result.Status.Should().Be(ExecutionStatus.KernelDied);
        result.ReasonCode.Should().Be(ReasonCodes.Oom);
        result.Violations.Should().ContainSingle(v => v.Kind == ReasonCodes.Oom);
        result.Stdout.Should().Be("begun\n");
        (await sandbox.RefreshAsync(cancellationToken)).Contexts[0].ReasonCode.Should().Be(ReasonCodes.Oom);
        await sandbox.RestartAsync(cancellationToken: cancellationToken);
        (await sandbox.RunCodeAsync("1 + 1", cancellationToken: cancellationToken)).Violations.Should().BeEmpty("it is told of the run that did it, and of no other");
    }

    [Test]
    public async Task R03_when_a_child_is_ended_for_want_of_memory_the_kernel_lives_and_the_run_says_so(CancellationToken cancellationToken)
    {
        await using var sandbox = await CreateAsync(memoryMb: 256, cancellationToken: cancellationToken);

        // The child alone is large, so that the host takes it and not the kernel.
        var result = await sandbox.RunCodeAsync(
            "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'x = []\\nwhile True: x.append(b\"x\" * (8 << 20))']).returncode",
            cancellationToken: cancellationToken);

        result.Text.Should().Be("-9");
        result.Status.Should().Be(ExecutionStatus.Ok);
        result.ReasonCode.Should().BeNull();
        result.Violations.Should().ContainSingle().Which.Should().Match<Violation>(v => v.Kind == "oom" && v.Count >= 1);
    }

    [Test]
    public async Task R02_five_thousand_threads_end_at_the_limit_and_the_kernel_lives(CancellationToken cancellationToken)
    {
        await using var sandbox = await CreateAsync(pids: 64, cancellationToken: cancellationToken);

        var result = await sandbox.RunCodeAsync(
            "import threading\nstop = threading.Event()\nmade = 0\ntry:\n    for _ in range(5000):\n        threading.Thread(target=stop.wait).start(); made += 1\nfinally:\n    stop.set()\n    print(made)",
            cancellationToken: cancellationToken);

        result.Status.Should().Be(ExecutionStatus.Error);
        result.Error!.Value.Should().Contain("can't start new thread");
        result.ReasonCode.Should().Be(ReasonCodes.Pids);
        result.Violations.Should().ContainSingle().Which.Kind.Should().Be(ReasonCodes.Pids);
        int.Parse(result.Stdout, System.Globalization.CultureInfo.InvariantCulture).Should().BeLessThan(64);
        (await sandbox.RunCodeAsync("made > 0", cancellationToken: cancellationToken)).Text.Should().Be("True");
    }

    [TestCase("import subprocess\nprint('begun', flush=True)\nsubprocess.run(['bash', '-c', 'bomb() { bomb | bomb & }; bomb; sleep 100'])", TestName = "R01_a_fork_bomb_of_the_shell_is_contained_and_the_run_can_be_interrupted")]
    [TestCase("import os, signal, time\nprint('begun', flush=True)\nwhile True:\n    try:\n        if os.fork() == 0:\n            signal.signal(signal.SIGINT, signal.SIG_DFL); time.sleep(100); os._exit(0)\n    except BlockingIOError:\n        time.sleep(0.01)", TestName = "R01_a_fork_bomb_of_the_kernel_is_contained_and_the_run_can_be_interrupted")]
    public async Task R01_a_fork_bomb(string code, CancellationToken cancellationToken)
    {
        await using var neighbour = await CreateAsync(cancellationToken: cancellationToken);
        await using var sandbox = await CreateAsync(memoryMb: 1024, pids: 64, cancellationToken: cancellationToken);
        var run = await sandbox.StartCodeAsync(code, cancellationToken: cancellationToken);
        await sandbox.FirstAsync<OutputEvent>(run.FirstSequence, cancellationToken);
        while ((await sandbox.GetUsageAsync(cancellationToken)) is { PidsRefused: 0 })
        {
            // Answers at once: asked until the limit was hit.
        }

        (await sandbox.GetUsageAsync(cancellationToken)).Pids.Should().BeLessThanOrEqualTo(64);
        (await neighbour.RunCodeAsync("1 + 1", cancellationToken: cancellationToken)).Text.Should().Be("2");
        await run.ForceInterruptAsync(cancellationToken);
        var result = await run.WaitAsync(cancellationToken);

        result.Status.Should().Be(ExecutionStatus.Interrupted, $"{result.ReasonCode}: {result.Execution.Reason} {result.Stderr}");
        result.ReasonCode.Should().Be(ReasonCodes.Interrupted);
        result.Violations.Should().Contain(v => v.Kind == ReasonCodes.Pids);
        var began = Stopwatch.GetTimestamp();
        await sandbox.KillAsync(cancellationToken);
        await TestContext.Out.WriteLineAsync($"killed within {Stopwatch.GetElapsedTime(began).TotalMilliseconds:0} ms");
        (await sandbox.RefreshAsync(cancellationToken)).StateReasonCode.Should().Be(ReasonCodes.Killed);
    }

    [Test]
    public async Task R07_an_error_for_want_of_room_on_the_disk_says_disk(CancellationToken cancellationToken)
    {
        await using var sandbox = await CreateAsync(cancellationToken: cancellationToken);

        var result = await sandbox.RunCodeAsync("with open('/tmp/full', 'wb') as file:\n    while True: file.write(b'x' * (1 << 20))", cancellationToken: cancellationToken);

        result.Status.Should().Be(ExecutionStatus.Error);
        result.ReasonCode.Should().Be(ReasonCodes.Disk, result.Error?.Value);
        result.Violations.Should().Contain(v => v.Kind == ReasonCodes.Disk);
    }

    [Test]
    public async Task Limits_change_while_code_runs_and_hold_at_once(CancellationToken cancellationToken)
    {
        await using var sandbox = await CreateAsync(memoryMb: 192, pids: 32, cancellationToken: cancellationToken);
        const string Threads = "import threading\nstop = threading.Event()\nmade = []\ntry:\n    for _ in range(60):\n        thread = threading.Thread(target=stop.wait)\n        thread.start()\n        made.append(thread)\nexcept RuntimeError: pass\nstop.set()\n[thread.join() for thread in made]\nlen(made)";
        (await sandbox.RunCodeAsync(Threads, cancellationToken: cancellationToken)).Text.Should().NotBe("60");

        var before = sandbox.Info.Limits;
        var info = await sandbox.SetLimitsAsync(cpu: 2, memoryMb: 512, pids: 128, cancellationToken);

        info.Limits.Should().Be(before with { Cpu = 2, MemoryMb = 512, Pids = 128 });
        (await sandbox.FirstAsync<SandboxChangedEvent>(0, cancellationToken)).Limits.Should().Be(info.Limits);
        (await sandbox.RunCodeAsync(Threads, cancellationToken: cancellationToken)).Text.Should().Be("60");
        (await sandbox.RunCodeAsync("held = b'x' * (300 << 20)\nlen(held)", cancellationToken: cancellationToken)).Text.Should().Be("314572800", "the kernel has more memory than it was made with");

        var refused = (await sandbox.Awaiting(s => s.UpdateAsync(new UpdateSandboxRequest { MemoryMb = 256, Pids = 32, Name = "not taken" }, cancellationToken))
            .Should().ThrowAsync<KernelGatewayException>()).Which;
        refused.Code.Should().Be(ErrorCodes.Conflict);
        refused.Message.Should().Contain("in use");
        var same = await sandbox.RefreshAsync(cancellationToken);
        same.Limits.Should().Be(info.Limits, "nothing is changed when one thing is refused");
        same.Name.Should().Be(info.Name);
        (await sandbox.RunCodeAsync(Threads, cancellationToken: cancellationToken)).Text.Should().Be("60");

        await sandbox.RunCodeAsync("del held", cancellationToken: cancellationToken);
        (await sandbox.SetLimitsAsync(memoryMb: 192, cancellationToken: cancellationToken)).Limits.MemoryMb.Should().Be(192);
        (await sandbox.RunCodeAsync("x = b'x' * (300 << 20)", cancellationToken: cancellationToken)).ReasonCode.Should().Be(ReasonCodes.Oom, "the smaller limit holds");
    }

    [Test]
    public async Task Name_tags_and_end_are_changed_and_outlive_a_crash_of_the_gateway(CancellationToken cancellationToken)
    {
        await using var gateway = await GatewayProcess.StartNewAsync();
        await using var client = gateway.Client();
        await using var sandbox = await Sandbox.CreateAsync(client, new CreateSandboxRequest { Tags = new Dictionary<string, string> { ["old"] = "1" } }, cancellationToken);
        await sandbox.RenameAsync("renamed", cancellationToken);
        await sandbox.SetTagsAsync(new Dictionary<string, string?> { ["old"] = null, ["new"] = "2" }, cancellationToken);
        await sandbox.SetLimitsAsync(cpu: 0.5, pids: 77, cancellationToken: cancellationToken);
        var moved = await sandbox.SetTimeoutAsync(TimeSpan.FromHours(3), cancellationToken);
        moved.ExpiresAt.Should().BeCloseTo(TimeProvider.System.GetUtcNow().AddHours(3), TimeSpan.FromSeconds(10));

        await gateway.KillAsync();
        await gateway.StartAsync();

        var info = await sandbox.RefreshAsync(cancellationToken);
        info.Name.Should().Be("renamed");
        info.Tags.Should().Equal(new Dictionary<string, string> { ["new"] = "2" });
        info.Limits.Should().Be(moved.Limits);
        info.ExpiresAt.Should().Be(moved.ExpiresAt);
        (await sandbox.SetTimeoutAsync(Timeout.InfiniteTimeSpan, cancellationToken)).ExpiresAt.Should().BeNull();
    }

    [Test]
    public async Task Usage_says_what_was_used(CancellationToken cancellationToken)
    {
        await using var sandbox = await CreateAsync(memoryMb: 512, cancellationToken: cancellationToken);
        var before = await sandbox.GetUsageAsync(cancellationToken);

        await sandbox.RunCodeAsync("import time\nhog = b'x' * (200 << 20)\ndel hog\nend = time.process_time() + 0.5\nwhile time.process_time() < end: pass", cancellationToken: cancellationToken);

        var after = await sandbox.GetUsageAsync(cancellationToken);
        (after.CpuSeconds - before.CpuSeconds).Should().BeGreaterThan(0.4).And.BeLessThan(5);
        after.MemoryPeakBytes.Should().BeGreaterThan(200 << 20);
        after.MemoryBytes.Should().BeLessThan(after.MemoryPeakBytes!.Value);
        after.Pids.Should().BeInRange(3, 60);
        after.OomKills.Should().Be(0);
        after.PidsRefused.Should().Be(0);
    }

    [Test]
    public async Task R19_a_flood_of_updates_is_thinned_out_and_said_and_neither_text_nor_the_end_is_lost(CancellationToken cancellationToken)
    {
        await using var gateway = await GatewayProcess.StartNewAsync(("Gateway:Sandboxes:MaxUpdatesPerSecond", "50"), ("Gateway:Sandboxes:RateWindow", "00:00:01"));
        await using var client = gateway.Client();
        await using var sandbox = await Sandbox.CreateAsync(client, cancellationToken: cancellationToken);
        const string Code = """
            from IPython.display import display, clear_output
            shown = display(0, display_id='counter')
            for i in range(3000):
                shown.update(i)
                if i % 100 == 0:
                    clear_output(wait=True)
                    print('line', i, flush=True)
            'end'
            """;

        var result = await sandbox.RunCodeAsync(Code, cancellationToken: cancellationToken);

        result.Status.Should().Be(ExecutionStatus.Ok);
        result.Text.Should().Be("'end'");
        result.Stdout.Split('\n').Should().HaveCount(31, "text is not thinned out");
        result.Violations.Should().ContainSingle().Which.Should().Match<Violation>(v => v.Kind == ReasonCodes.Rate && v.Count > 1000);
        var marker = await sandbox.FirstAsync<OmittedEvent>(0, cancellationToken);
        marker.ReasonCode.Should().Be(ReasonCodes.Rate);
        marker.ExecutionId.Should().Be(result.Execution.Id);
    }

    [TestCase(false)]
    [TestCase(true)]
    public async Task Time_limits_and_escalations_go_on_after_a_crash_of_the_gateway(bool crashWhileEscalating, CancellationToken cancellationToken)
    {
        await using var gateway = await GatewayProcess.StartNewAsync(("Gateway:Sandboxes:InterruptGrace", "00:00:02"), ("Gateway:Sandboxes:ChildrenGrace", "00:00:01"));
        await using var client = gateway.Client();
        await using var sandbox = await Sandbox.CreateAsync(client, cancellationToken: cancellationToken);
        var run = await sandbox.StartCodeAsync(
            "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nprint('begun', flush=True)\nwhile True: time.sleep(0.1)",
            new RunCodeOptions { Timeout = TimeSpan.FromSeconds(2) },
            cancellationToken);
        await sandbox.FirstAsync<OutputEvent>(run.FirstSequence, cancellationToken);
        if (crashWhileEscalating)
        {
            await sandbox.FirstAsync<EscalationEvent>(run.FirstSequence, cancellationToken, e => e.Step == EscalationStep.Interrupt);
        }

        await gateway.KillAsync();
        await gateway.StartAsync();
        var result = await run.WaitAsync(cancellationToken);

        result.Status.Should().Be(ExecutionStatus.Timeout);
        result.ReasonCode.Should().Be(ReasonCodes.Timeout);
        result.Stdout.Should().Be("begun\n");
        result.Duration.Should().BeLessThan(TimeSpan.FromSeconds(2 + 2 + 1 + 10));
        var steps = new List<EscalationStep>();
        await foreach (var one in run.Events(cancellationToken))
        {
            if (one is EscalationEvent step)
            {
                steps.Add(step.Step);
            }
        }

        steps.Distinct().Should().Equal(EscalationStep.Interrupt, EscalationStep.TerminateChildren, EscalationStep.KillKernel);
        await sandbox.RestartAsync(cancellationToken: cancellationToken);
        (await sandbox.RunCodeAsync("6 * 7", cancellationToken: cancellationToken)).Text.Should().Be("42");
    }

    private async Task<Sandbox> CreateAsync(long? memoryMb = null, int? pids = null, CancellationToken cancellationToken = default) =>
        await Sandbox.CreateAsync(Client, new CreateSandboxRequest { MemoryMb = memoryMb, Pids = pids }, cancellationToken);
}
