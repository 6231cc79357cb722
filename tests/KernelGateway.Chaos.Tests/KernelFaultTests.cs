using System.Diagnostics;
using System.Globalization;
using KernelGateway.Chaos.Tests.Support;
using KernelGateway.Client;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Executions;
using KernelGateway.Contracts.Sandboxes;

namespace KernelGateway.Chaos.Tests;

/// <summary>C3 to C6: the gateway freezes, and kernels die or hang.</summary>
public sealed class KernelFaultTests
{
    private const int SigStop = 19;
    private const int SigCont = 18;

    // The containers' folder has links to folders of the host that lead round in circles.
    private static readonly EnumerationOptions NoLinks = new() { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint, IgnoreInaccessible = true };

    [Test]
    [Deadline(300)]
    public async Task C3_A_gateway_that_was_frozen_goes_on_and_nothing_is_missing_and_no_kernel_is_called_unresponsive()
    {
        const int Lines = 20_000;
        var frozenFor = TimeSpan.FromSeconds(9); // Longer than three questions to the kernel may stay open.
        await using var gateway = await ChaosGateway.StartAsync(("Gateway:Sandboxes:HeartbeatInterval", "00:00:00.1"));
        await using var client = gateway.PatientClient();
        await using var sandbox = await Sandbox.CreateAsync(client);
        var run = await sandbox.StartCodeAsync($"print('begun', flush=True)\nfor i in range({Lines}): print(i, flush=True)\nopen('done', 'w').close()");
        await run.FirstAsync<OutputEvent>();
        gateway.Signal(SigStop);
        var frozen = Task.Delay(frozenFor, TimeProvider.System, CancellationToken.None);
        var work = Path.Combine(gateway.DataFolder, "hosts", "eval");
        await Wait.UntilAsync(() => Directory.EnumerateFiles(work, "done", NoLinks).Any(), TimeSpan.FromSeconds(60), "the kernel goes on while the gateway is frozen");
        await frozen;

        gateway.Signal(SigCont);

        var result = await run.WaitAsync();
        result.Status.Should().Be(ExecutionStatus.Ok);
        result.Lines.Select(l => l.Line).Should().Equal(["begun", .. Enumerable.Range(0, Lines).Select(i => i.ToString(CultureInfo.InvariantCulture))]);
        (await sandbox.RunCodeAsync("1 + 1")).Text.Should().Be("2");
        (await sandbox.RefreshAsync()).Contexts[0].State.Should().Be(KernelState.Idle);
        using var http = gateway.Http();
        http.DefaultRequestHeaders.Add("Accept", "application/x-ndjson");
        (await http.GetStringAsync($"/api/v1/sandboxes/{sandbox.Id}/events?after=0&follow=false")).Should().Contain("kernelState").And.NotContain("unresponsive");
    }

    [Test]
    [Deadline(300)]
    public async Task C4_A_kernel_that_needs_too_much_memory_dies_of_it_by_name_and_its_neighbour_does_not_notice()
    {
        var parent = ChaosGateway.NewCgroupParent();
        await using (var gateway = await ChaosGateway.StartAsync(("Gateway:Local:CgroupParent", parent)))
        {
            await using var client = gateway.PatientClient();
            var hungry = await Sandbox.CreateAsync(client, new CreateSandboxRequest { Variant = "local", MemoryMb = 192 });
            var neighbour = await Sandbox.CreateAsync(client);
            var before = await LatenciesAsync(neighbour, Task.CompletedTask);

            var began = Stopwatch.GetTimestamp();
            var dying = hungry.RunCodeAsync("print('hungry', flush=True)\nx = []\nwhile True: x.append(bytearray(1 << 22))");
            var during = await LatenciesAsync(neighbour, dying);
            var result = await dying;

            Figures.Report("C4 out of memory seen after s", Stopwatch.GetElapsedTime(began).TotalSeconds);
            Figures.Report("C4 neighbour 1+1 before p99 s", Figures.Quantile(before, 0.99));
            Figures.Report("C4 neighbour 1+1 during p99 s", Figures.Quantile(during, 0.99));
            result.Status.Should().Be(ExecutionStatus.KernelDied);
            result.Execution.Reason.Should().Contain("out of memory");
            result.Stdout.Should().Contain("hungry");
            await hungry.RestartAsync();
            (await hungry.RunCodeAsync("1 + 1")).Text.Should().Be("2");
            await hungry.TerminateAsync(TimeSpan.Zero);
        }

        HostTraces.RemoveGroups(parent);
    }

    [Test]
    [Deadline(300)]
    public async Task C5_A_kernel_that_crashes_says_by_which_signal_and_keeps_its_last_words_and_leaves_no_core()
    {
        await using var gateway = await ChaosGateway.StartAsync();
        await using var client = gateway.PatientClient();
        await using var sandbox = await Sandbox.CreateAsync(client);
        await sandbox.RunCodeAsync("import ctypes");

        var began = Stopwatch.GetTimestamp();
        var result = await sandbox.RunCodeAsync("print('last words', flush=True)\nctypes.string_at(0)");

        Figures.Report("C5 crash seen after s", Stopwatch.GetElapsedTime(began).TotalSeconds);
        result.Status.Should().Be(ExecutionStatus.KernelDied);
        result.Execution.Reason.Should().Contain("signal 11");
        result.Stdout.Should().Be("last words\n");
        Directory.EnumerateFiles(Path.Combine(gateway.DataFolder, "hosts", "eval"), "core*", NoLinks).Should().BeEmpty();
        await sandbox.RestartAsync();
        (await sandbox.RunCodeAsync("1 + 1")).Text.Should().Be("2");
    }

    [Test]
    [Deadline(300)]
    public async Task C6_A_kernel_that_hangs_is_killed_when_the_time_of_its_run_is_over_and_can_be_restarted()
    {
        await using var gateway = await ChaosGateway.StartAsync(("Gateway:Sandboxes:KillGrace", "00:00:01"));
        await using var client = gateway.PatientClient();
        await using var sandbox = await Sandbox.CreateAsync(client);
        var pid = int.Parse((await sandbox.RunCodeAsync("import os; print(os.getpid())")).Stdout, CultureInfo.InvariantCulture);
        await ChildProcess.RunAsync("kill", "-STOP", pid.ToString(CultureInfo.InvariantCulture));

        var result = await sandbox.RunCodeAsync("1 + 1", new RunCodeOptions { Timeout = TimeSpan.FromSeconds(1) });

        result.Status.Should().Be(ExecutionStatus.Timeout);
        result.Execution.Reason.Should().Contain("killed");
        (await sandbox.RefreshAsync()).Contexts[0].State.Should().Be(KernelState.Dead);
        await sandbox.RestartAsync();
        (await sandbox.RunCodeAsync("1 + 1")).Text.Should().Be("2");
    }

    [TestCase("os.kill(os.getpid(), signal.SIGSTOP)", true)]
    [TestCase("ctypes.PyDLL(None).sleep(20)", false)] // PyDLL: keeps the interpreter's lock.
    [Deadline(300)]
    public async Task C6_A_kernel_that_does_not_answer_is_reported_in_15_seconds_and_left_alone_and_goes_back_by_itself(string code, bool stopped)
    {
        await using var gateway = await ChaosGateway.StartAsync();
        await using var client = gateway.PatientClient();
        await using var sandbox = await Sandbox.CreateAsync(client);
        var pid = int.Parse((await sandbox.RunCodeAsync("import ctypes, os, signal; print(os.getpid())")).Stdout, CultureInfo.InvariantCulture);

        var run = await sandbox.StartCodeAsync($"print('begun', flush=True)\n{code}\nprint('went on')");
        await run.FirstAsync<OutputEvent>();
        var began = Stopwatch.GetTimestamp();
        var reported = await sandbox.FirstAsync<KernelStateEvent>(0, CancellationToken.None, e => e.State == KernelState.Unresponsive);
        var seconds = Stopwatch.GetElapsedTime(began).TotalSeconds;
        var context = (await sandbox.RefreshAsync()).Contexts[0];
        if (stopped)
        {
            await ChildProcess.RunAsync("kill", "-CONT", pid.ToString(CultureInfo.InvariantCulture));
        }

        Figures.Report("C6 unresponsive seen after s", seconds);
        seconds.Should().BeLessThan(15);
        reported.Reason.Should().NotBeNullOrEmpty();
        context.State.Should().Be(KernelState.Unresponsive);
        context.Reason.Should().Be(reported.Reason);
        (await run.WaitAsync()).Stdout.Should().Be("begun\nwent on\n");
        await sandbox.FirstAsync<KernelStateEvent>(reported.Sequence, CancellationToken.None, e => e is { ExecutionId: null, State: KernelState.Idle or KernelState.Busy });
        (await sandbox.RefreshAsync()).Contexts[0].Should().BeEquivalentTo(new { State = KernelState.Idle, Reason = (string?)null });
    }

    private static async Task<List<double>> LatenciesAsync(Sandbox sandbox, Task until)
    {
        var seconds = new List<double>();
        while (seconds.Count < 10 || !until.IsCompleted)
        {
            var began = Stopwatch.GetTimestamp();
            (await sandbox.RunCodeAsync("1 + 1")).Text.Should().Be("2");
            seconds.Add(Stopwatch.GetElapsedTime(began).TotalSeconds);
        }

        return seconds;
    }
}
