using KernelGateway.Client;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Executions;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.EndToEnd.Tests.Support;

namespace KernelGateway.EndToEnd.Tests;

/// <summary>Idle times and lifetimes: what ends a sandbox, and what counts as use.</summary>
[Parallelizable(ParallelScope.Children)]
public sealed class TimeTests : GatewayFixture
{
    [Test]
    public async Task A_sandbox_that_nobody_uses_ends_and_says_why(CancellationToken cancellationToken)
    {
        var sandbox = await CreateAsync(new CreateSandboxRequest { IdleTimeoutSeconds = 1 }, cancellationToken);

        var info = await EndWithoutReadingAsync(sandbox, cancellationToken);

        info.State.Should().Be(SandboxState.Terminated);
        info.StateReason.Should().Contain("idle");
        var end = await sandbox.FirstAsync<SandboxStateEvent>(0, cancellationToken, e => e.State == SandboxState.Terminated);
        end.Reason.Should().Contain("idle");
    }

    [Test]
    public async Task A_reader_keeps_a_sandbox_alive_and_the_idle_time_begins_when_it_leaves(CancellationToken cancellationToken)
    {
        const double Idle = 1.5;
        await using var marker = await CreateAsync(new CreateSandboxRequest(), cancellationToken);
        var sandbox = await CreateAsync(new CreateSandboxRequest { IdleTimeoutSeconds = Idle }, cancellationToken);
        await using (var reader = Gateway.Client())
        {
            var read = await Sandbox.FromIdAsync(sandbox.Id, reader, cancellationToken);
            using var leave = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            var reading = Task.Run(() => read.FirstAsync<SandboxStateEvent>(0, leave.Token, e => e.State == SandboxState.Terminated), cancellationToken);

            // Three times the idle time passes in another sandbox.
            await marker.RunCodeAsync($"import time; time.sleep({3 * Idle})", cancellationToken: cancellationToken);
            (await sandbox.RefreshAsync(cancellationToken)).State.Should().Be(SandboxState.Running);
            reading.IsCompleted.Should().BeFalse("nothing has ended");
            await leave.CancelAsync();
            await reading.ContinueWith(_ => { }, TaskScheduler.Default);
        }

        (await EndWithoutReadingAsync(sandbox, cancellationToken)).StateReason.Should().Contain("idle");
    }

    [Test]
    public async Task Code_that_runs_is_use_even_when_nobody_reads(CancellationToken cancellationToken)
    {
        var sandbox = await CreateAsync(new CreateSandboxRequest { IdleTimeoutSeconds = 1 }, cancellationToken);
        var running = await sandbox.StartCodeAsync("import time; time.sleep(4); print('done')", cancellationToken: cancellationToken);

        await EndWithoutReadingAsync(sandbox, cancellationToken);

        var result = await running.WaitAsync(cancellationToken);
        result.Status.Should().Be(ExecutionStatus.Ok, $"it must not be ended under the code: {result.Error}");
        result.Stdout.Should().Be("done\n");
    }

    [Test]
    public async Task A_lifetime_ends_a_sandbox_that_is_read_and_in_use(CancellationToken cancellationToken)
    {
        var sandbox = await CreateAsync(new CreateSandboxRequest { LifetimeSeconds = 6 }, cancellationToken);
        var running = await sandbox.StartCodeAsync("import time; time.sleep(60)", cancellationToken: cancellationToken);

        var end = await sandbox.FirstAsync<SandboxStateEvent>(0, cancellationToken, e => e.State == SandboxState.Terminated);

        end.Reason.Should().Contain("lifetime");
        (end.Time - sandbox.Info.CreatedAt).Should().BeCloseTo(TimeSpan.FromSeconds(6), TimeSpan.FromSeconds(5));
        sandbox.Info.ExpiresAt.Should().Be(sandbox.Info.CreatedAt.AddSeconds(6));
        var result = await running.WaitAsync(cancellationToken);
        result.Status.Should().Be(ExecutionStatus.Cancelled);
        result.Error!.Value.Should().Contain("lifetime");
    }

    private async Task<Sandbox> CreateAsync(CreateSandboxRequest request, CancellationToken cancellationToken) =>
        await Sandbox.CreateAsync(Client, request, cancellationToken);

    /// <summary>Asks for the state, which is no use of the sandbox, until it has ended.</summary>
    private static async Task<SandboxInfo> EndWithoutReadingAsync(Sandbox sandbox, CancellationToken cancellationToken)
    {
        using var clock = new PeriodicTimer(TimeSpan.FromMilliseconds(200));
        while (await sandbox.RefreshAsync(cancellationToken) is { State: SandboxState.Running or SandboxState.Terminating })
        {
            await clock.WaitForNextTickAsync(cancellationToken);
        }

        return sandbox.Info;
    }
}
