using System.Globalization;
using KernelGateway.Client;
using KernelGateway.Contracts.Errors;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Executions;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.EndToEnd.Tests.Support;

namespace KernelGateway.EndToEnd.Tests;

/// <summary>Sandboxes that stand still: real containers, the SDK, and crashes of the gateway.</summary>
public sealed class PauseTests : GatewayFixture
{
    private const string Count = "import time\nn = 0\nwhile True:\n    n += 1\n    open('/workspace/n', 'w').write(str(n))\n    time.sleep(0.005)";

    [Test]
    public async Task A_loop_that_counts_stands_still_and_goes_on_and_files_can_be_reached_meanwhile(CancellationToken cancellationToken)
    {
        await using var sandbox = await Sandbox.CreateAsync(Client, null, cancellationToken);
        await using var other = await Sandbox.CreateAsync(Client, null, cancellationToken);
        var run = await sandbox.StartCodeAsync(Count, null, cancellationToken);
        await CountsAsync(sandbox, cancellationToken);

        (await sandbox.PauseAsync(cancellationToken: cancellationToken)).State.Should().Be(SandboxState.Paused);
        var before = await ReadAsync(sandbox, cancellationToken);
        await other.RunCodeAsync("import time; time.sleep(0.3)", null, cancellationToken); // Processor time for everybody else.
        (await ReadAsync(sandbox, cancellationToken)).Should().Be(before, "nothing runs in a paused sandbox");
        await sandbox.Files.WriteTextAsync("/workspace/note", "written while it stood still", cancellationToken: cancellationToken);
        (await sandbox.ListContextsAsync(cancellationToken)).Should().ContainSingle().Which.State.Should().Be(KernelState.Busy);

        (await sandbox.ResumeAsync(cancellationToken)).State.Should().Be(SandboxState.Running);
        await CountsAsync(sandbox, cancellationToken);
        await run.InterruptAsync(cancellationToken);
        (await run.WaitAsync(cancellationToken)).Status.Should().Be(ExecutionStatus.Interrupted);
        (await sandbox.RunCodeAsync("open('/workspace/note').read()", null, cancellationToken)).Text.Should().Contain("stood still");
        (await StatesAsync(sandbox, cancellationToken)).Should().Equal(SandboxState.Starting, SandboxState.Running, SandboxState.Paused, SandboxState.Running);
    }

    [Test]
    public async Task No_line_is_lost_over_pauses(CancellationToken cancellationToken)
    {
        const int Lines = 20_000;
        await using var sandbox = await Sandbox.CreateAsync(Client, null, cancellationToken);
        var run = await sandbox.StartCodeAsync($"for i in range({Lines}): print(i, flush=True)", null, cancellationToken);
        var command = await sandbox.Commands.StartAsync($"for ((i = 0; i < {Lines}; i++)); do echo $i; done", null, cancellationToken);
        for (var pause = 0; pause < 5; pause++)
        {
            await sandbox.PauseAsync(cancellationToken: cancellationToken);
            await sandbox.ResumeAsync(cancellationToken);
        }

        var all = string.Concat(Enumerable.Range(0, Lines).Select(i => i.ToString(CultureInfo.InvariantCulture) + "\n"));
        (await run.WaitAsync(cancellationToken)).Stdout.Should().Be(all);
        (await command.WaitAsync(cancellationToken)).Stdout.Should().Be(all);
    }

    [Test]
    public async Task Use_of_a_paused_sandbox_is_refused_with_the_way_out_and_pausing_twice_is_pausing_once(CancellationToken cancellationToken)
    {
        await using var sandbox = await Sandbox.CreateAsync(Client, null, cancellationToken);
        await sandbox.ResumeAsync(cancellationToken);
        await sandbox.PauseAsync(cancellationToken: cancellationToken);
        await sandbox.PauseAsync(cancellationToken: cancellationToken);

        foreach (var use in new Func<Task>[]
        {
            () => sandbox.RunCodeAsync("1", null, cancellationToken),
            () => sandbox.Commands.RunAsync("true", null, cancellationToken),
            () => sandbox.CreateContextAsync(null, cancellationToken),
            () => sandbox.RestartAsync(null, cancellationToken),
            () => sandbox.ListVariablesAsync(cancellationToken: cancellationToken),
            () => sandbox.SetNetworkAsync(NetworkPolicy.None, cancellationToken: cancellationToken),
        })
        {
            var refused = (await use.Should().ThrowAsync<KernelGatewayException>()).Which;
            refused.Code.Should().Be(ErrorCodes.Conflict);
            refused.Message.Should().Contain($"/api/v1/sandboxes/{sandbox.Id}/resume").And.Contain("autoResume");
        }

        (await sandbox.SetTagsAsync(new Dictionary<string, string?> { ["a"] = "b" }, cancellationToken)).Tags.Should().ContainKey("a");
        await sandbox.ResumeAsync(cancellationToken);
        (await sandbox.RunCodeAsync("6*7", null, cancellationToken)).Text.Should().Be("42");
        (await StatesAsync(sandbox, cancellationToken)).Count(s => s == SandboxState.Paused).Should().Be(1);
    }

    [Test]
    public async Task Use_resumes_it_where_that_was_asked_for(CancellationToken cancellationToken)
    {
        await using var sandbox = await Sandbox.CreateAsync(Client, new CreateSandboxRequest { AutoResume = true }, cancellationToken);
        await sandbox.RunCodeAsync("x = 41", null, cancellationToken);
        await sandbox.PauseAsync(cancellationToken: cancellationToken);

        (await sandbox.RunCodeAsync("x + 1", null, cancellationToken)).Text.Should().Be("42");

        (await sandbox.PauseAsync(autoResume: false, cancellationToken)).AutoResume.Should().BeFalse();
        await sandbox.Awaiting(s => s.Commands.RunAsync("true", null, cancellationToken)).Should().ThrowAsync<KernelGatewayException>();
        await sandbox.PauseAsync(autoResume: true, cancellationToken);
        (await sandbox.Commands.RunAsync("echo hello", null, cancellationToken)).Stdout.Should().Be("hello\n");
        (await sandbox.RefreshAsync(cancellationToken)).State.Should().Be(SandboxState.Running);
    }

    [Test]
    public async Task Time_limits_of_runs_and_commands_stand_still_too(CancellationToken cancellationToken)
    {
        await using var sandbox = await Sandbox.CreateAsync(Client, null, cancellationToken);
        await using var other = await Sandbox.CreateAsync(Client, null, cancellationToken);
        var run = await sandbox.StartCodeAsync("import time\nfor i in range(100): time.sleep(0.005)\nprint('done')", new RunCodeOptions { Timeout = TimeSpan.FromSeconds(2) }, cancellationToken);
        var command = await sandbox.Commands.StartAsync("for i in {1..50}; do sleep 0.01; done; echo done", new CommandOptions { Timeout = TimeSpan.FromSeconds(2) }, cancellationToken);
        await sandbox.PauseAsync(cancellationToken: cancellationToken);
        await other.RunCodeAsync("import time; time.sleep(2.5)", null, cancellationToken);

        await sandbox.ResumeAsync(cancellationToken);

        (await run.WaitAsync(cancellationToken)).Stdout.Should().Be("done\n");
        (await command.WaitAsync(cancellationToken)).Stdout.Should().Be("done\n");
    }

    [Test]
    public async Task A_paused_sandbox_can_be_killed_and_terminated(CancellationToken cancellationToken)
    {
        foreach (var grace in new[] { TimeSpan.Zero, TimeSpan.FromSeconds(2) })
        {
            await using var sandbox = await Sandbox.CreateAsync(Client, null, cancellationToken);
            await sandbox.StartCodeAsync(Count, null, cancellationToken);
            await sandbox.PauseAsync(cancellationToken: cancellationToken);

            await sandbox.TerminateAsync(grace, cancellationToken);

            (await sandbox.RefreshAsync(cancellationToken)).State.Should().Be(SandboxState.Terminated);
            HostProcesses.ProcessesOf(sandbox.Id).Should().BeEmpty();
        }
    }

    [Test]
    public async Task A_paused_sandbox_is_paused_after_a_crash_of_the_gateway_and_goes_on_when_it_is_resumed(CancellationToken cancellationToken)
    {
        await using var gateway = await GatewayProcess.StartNewAsync(("Gateway:Sandboxes:HeartbeatInterval", "00:00:00.1"));
        await using var client = gateway.Client();
        await using var sandbox = await Sandbox.CreateAsync(client, null, cancellationToken);
        await using var killed = await Sandbox.CreateAsync(client, null, cancellationToken);
        await sandbox.RunCodeAsync("x = 41", null, cancellationToken);
        var run = await sandbox.StartCodeAsync("for i in range(3000): print(i, flush=True); open('/workspace/n', 'w').write(str(i))", new RunCodeOptions { Timeout = TimeSpan.FromSeconds(20) }, cancellationToken);
        var command = await sandbox.Commands.StartAsync("for ((i = 0; i < 3000; i++)); do echo $i; done", null, cancellationToken);
        await sandbox.FirstAsync<OutputEvent>(run.FirstSequence, cancellationToken);
        await sandbox.PauseAsync(cancellationToken: cancellationToken);
        await killed.PauseAsync(cancellationToken: cancellationToken);
        foreach (var end in new Func<Task>[] { gateway.StopAsync, gateway.KillAsync, gateway.StopAsync })
        {
            await end();
            await gateway.StartAsync();
        }

        (await sandbox.RefreshAsync(cancellationToken)).State.Should().Be(SandboxState.Paused);
        var before = await ReadAsync(sandbox, cancellationToken);
        await killed.KillAsync(cancellationToken); // Takes longer than the heartbeats.
        (await ReadAsync(sandbox, cancellationToken)).Should().Be(before);
        HostProcesses.ProcessesOf(killed.Id).Should().BeEmpty();
        await sandbox.ResumeAsync(cancellationToken);

        var lines = Enumerable.Range(0, 3000).Select(i => i.ToString(CultureInfo.InvariantCulture));
        (await run.WaitAsync(cancellationToken)).Lines.Select(l => l.Line).Should().Equal(lines);
        (await command.WaitAsync(cancellationToken)).Stdout.Should().Be(string.Concat(lines.Select(l => l + "\n")));
        (await sandbox.RunCodeAsync("x + 1", null, cancellationToken)).Text.Should().Be("42");
        await foreach (var one in AllAsync(sandbox, cancellationToken))
        {
            (one is KernelStateEvent { State: KernelState.Unresponsive }).Should().BeFalse("it was paused, not silent");
        }
    }

    [TestCase("sandbox.frozen", SandboxState.Running)]
    [TestCase("sandbox.resuming", SandboxState.Running)]
    public async Task A_crash_in_the_middle_leaves_it_running(string point, SandboxState state, CancellationToken cancellationToken)
    {
        await using var gateway = await GatewayProcess.StartNewAsync(("Gateway:Faults:Enabled", "true"), ("KERNEL_GATEWAY_FAULTS", $"{point}:crash"));
        await using var client = gateway.Client();
        await using var sandbox = await Sandbox.CreateAsync(client, null, cancellationToken);
        await sandbox.RunCodeAsync("x = 41", null, cancellationToken);
        var asked = Task.Run(
            async () =>
            {
                await sandbox.PauseAsync(cancellationToken: cancellationToken);
                await sandbox.ResumeAsync(cancellationToken);
            },
            cancellationToken);
        await gateway.Ended.WaitAsync(cancellationToken);
        gateway.Set("KERNEL_GATEWAY_FAULTS", null);

        await gateway.StartAsync();

        await asked; // The SDK asks again.
        (await sandbox.RefreshAsync(cancellationToken)).State.Should().Be(state);
        (await sandbox.RunCodeAsync("x + 1", null, cancellationToken)).Text.Should().Be("42");
    }

    [Test]
    public async Task The_lifetime_ends_a_paused_sandbox_and_the_idle_time_does_not(CancellationToken cancellationToken)
    {
        await using var gateway = await GatewayProcess.StartNewAsync(("Gateway:Sandboxes:ReapInterval", "00:00:00.05"));
        await using var client = gateway.Client();
        await using var sandbox = await Sandbox.CreateAsync(client, null, cancellationToken);
        await sandbox.PauseAsync(cancellationToken: cancellationToken);
        await sandbox.UpdateAsync(new UpdateSandboxRequest { IdleTimeoutSeconds = 0.1, ExpiresInSeconds = 0.8 }, cancellationToken);

        var ended = await sandbox.FirstAsync<SandboxStateEvent>(0, cancellationToken, e => e.State == SandboxState.Terminated);

        ended.ReasonCode.Should().Be("lifetime");
    }

    private static async Task CountsAsync(Sandbox sandbox, CancellationToken cancellationToken)
    {
        var first = await ReadAsync(sandbox, cancellationToken);
        while (await ReadAsync(sandbox, cancellationToken) == first)
        {
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    private static async Task<string> ReadAsync(Sandbox sandbox, CancellationToken cancellationToken)
    {
        try
        {
            return await sandbox.Files.ReadTextAsync("/workspace/n", cancellationToken);
        }
        catch (KernelGatewayException e) when (e.Code == ErrorCodes.FileNotFound)
        {
            return "";
        }
    }

    private static async Task<List<SandboxState>> StatesAsync(Sandbox sandbox, CancellationToken cancellationToken)
    {
        var states = new List<SandboxState>();
        await foreach (var one in AllAsync(sandbox, cancellationToken))
        {
            if (one is SandboxStateEvent state)
            {
                states.Add(state.State);
            }
        }

        return states;
    }

    private static async IAsyncEnumerable<SandboxEvent> AllAsync(Sandbox sandbox, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var last = (await sandbox.RefreshAsync(cancellationToken)).LastSequence;
        await foreach (var one in sandbox.EventsAsync(0, cancellationToken))
        {
            yield return one;
            if (one.Sequence >= last)
            {
                yield break;
            }
        }
    }
}
