using System.Globalization;
using KernelGateway.Client;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Executions;
using KernelGateway.Contracts.Sandboxes;

namespace KernelGateway.EndToEnd.Tests;

/// <summary>What a crash of the gateway must not cost: kernels, variables, lines, questions.</summary>
[CancelAfter(120_000)]
public sealed class CrashTests
{
    [Test]
    public async Task A_run_that_went_on_without_the_gateway_is_finished_when_it_comes_back_with_all_its_output(CancellationToken cancellationToken)
    {
        await using var gateway = await GatewayProcess.StartNewAsync();
        await using var client = gateway.Client();
        await using var sandbox = await Sandbox.CreateAsync(client, cancellationToken: cancellationToken);
        var run = await sandbox.StartCodeAsync("import time\nprint('begun', flush=True)\ntime.sleep(1)\nfor i in range(1000): print(i, flush=True)\n6*7", cancellationToken: cancellationToken);
        await sandbox.FirstAsync<OutputEvent>(run.FirstSequence, cancellationToken);
        await gateway.KillAsync();
        await QuietFolder.WaitForAsync(Path.Combine(gateway.DataFolder, "hosts"));

        await gateway.StartAsync();

        var result = await run.WaitAsync(cancellationToken);
        result.Status.Should().Be(ExecutionStatus.Ok);
        result.Text.Should().Be("42");
        result.Lines.Select(l => l.Line).Should().Equal(["begun", .. Enumerable.Range(0, 1000).Select(i => i.ToString(CultureInfo.InvariantCulture))]);
    }

    [Test]
    public async Task A_kernel_that_died_while_the_gateway_was_away_says_how_and_its_sandbox_lives_on(CancellationToken cancellationToken)
    {
        await using var gateway = await GatewayProcess.StartNewAsync();
        await using var client = gateway.Client();
        await using var sandbox = await Sandbox.CreateAsync(client, cancellationToken: cancellationToken);
        await sandbox.RunCodeAsync("open('/workspace/kept', 'w').write('file')", cancellationToken: cancellationToken);
        var run = await sandbox.StartCodeAsync("import os, time\nprint('begun', flush=True)\ntime.sleep(1)\nprint('last words', flush=True)\nos._exit(3)", cancellationToken: cancellationToken);
        await sandbox.FirstAsync<OutputEvent>(run.FirstSequence, cancellationToken);
        await gateway.KillAsync();
        await QuietFolder.WaitForAsync(Path.Combine(gateway.DataFolder, "hosts"));

        await gateway.StartAsync();

        var result = await run.WaitAsync(cancellationToken);
        result.Status.Should().Be(ExecutionStatus.KernelDied);
        result.Execution.Reason.Should().Contain("code 3");
        result.Stdout.Should().Be("begun\nlast words\n");
        await sandbox.RestartAsync(cancellationToken: cancellationToken);
        (await sandbox.RunCodeAsync("open('/workspace/kept').read()", cancellationToken: cancellationToken)).Text.Should().Be("'file'");
    }

    [Test]
    public async Task A_sandbox_whose_container_is_gone_is_lost_and_says_so(CancellationToken cancellationToken)
    {
        await using var gateway = await GatewayProcess.StartNewAsync();
        await using var client = gateway.Client();
        await using var sandbox = await Sandbox.CreateAsync(client, cancellationToken: cancellationToken);
        var pid = int.Parse((await sandbox.RunCodeAsync("import os; print(open('/proc/self/stat').read().split()[0])", cancellationToken: cancellationToken)).Stdout, CultureInfo.InvariantCulture);
        pid.Should().BePositive();
        await gateway.KillAsync();
        HostProcesses.KillAllOf(sandbox.Id);

        await gateway.StartAsync();

        await sandbox.FirstAsync<SandboxStateEvent>(0, cancellationToken, e => e.State == SandboxState.Lost);
        var info = await sandbox.RefreshAsync(cancellationToken);
        info.State.Should().Be(SandboxState.Lost);
        info.StateReason.Should().NotBeNullOrEmpty();
    }

    [Test]
    public async Task A_gateway_that_is_stopped_leaves_kernels_running_and_the_next_one_takes_them_up()
    {
        await using var gateway = await GatewayProcess.StartNewAsync();
        await using var client = gateway.Client();
        await using var sandbox = await Sandbox.CreateAsync(client);
        await sandbox.RunCodeAsync("x = 41");

        await gateway.StopAsync();
        await gateway.StartAsync();

        (await sandbox.RunCodeAsync("x + 1")).Text.Should().Be("42");
    }
}
