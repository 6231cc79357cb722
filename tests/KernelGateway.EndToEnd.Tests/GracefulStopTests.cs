using KernelGateway.Client;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Executions;

namespace KernelGateway.EndToEnd.Tests;

/// <summary>A gateway that is told to stop, as for an update, in the middle of the work.</summary>
[CancelAfter(120_000)]
public sealed class GracefulStopTests
{
    [Test]
    public async Task A_stop_leaves_kernels_running_and_the_next_start_finds_runs_variables_and_files(CancellationToken cancellationToken)
    {
        const int Lines = 3000;
        Requires.LocalVariant();
        await using var gateway = await GatewayProcess.StartNewAsync();
        await using var client = gateway.Client();
        await using var sandbox = await Sandbox.CreateAsync(client, cancellationToken: cancellationToken);
        await sandbox.RunCodeAsync("kept = 41\nopen('kept.txt', 'w').write('a file')", cancellationToken: cancellationToken);
        var running = await sandbox.StartCodeAsync($"import time\nfor i in range({Lines}):\n    print(i, flush=True)\n    time.sleep(0.001)", cancellationToken: cancellationToken);
        var seen = new SeenLines();
        var reading = seen.ReadAsync(running, cancellationToken);
        await seen.ReachAsync(300).WaitAsync(cancellationToken);

        (await gateway.StopAsync()).Should().Be(0, gateway.Log);
        await gateway.StartAsync();

        (await reading).Status.Should().Be(ExecutionStatus.Ok, "the reader bridges the stop, and the run went on");
        seen.Lines.Should().Equal(Enumerable.Range(0, Lines));
        (await sandbox.RunCodeAsync("kept + 1, open('kept.txt').read()", cancellationToken: cancellationToken)).Text.Should().Be("(42, 'a file')");
    }
}
