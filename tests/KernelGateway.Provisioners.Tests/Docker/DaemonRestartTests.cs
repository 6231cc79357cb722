using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Tests.Support;

namespace KernelGateway.Provisioners.Tests.Docker;

/// <summary>What becomes of sandboxes when the engine stops, dies and comes back.</summary>
[NonParallelizable]
[CancelAfter(90_000)]
public sealed class DaemonRestartTests() : DockerSandboxFixture("restart", 0x4900_0000)
{
    [TearDown]
    public async Task LeaveEngineAsFound()
    {
        // As other tests expect it.
        if (Daemon.HasEnded)
        {
            await Daemon.StartAsync();
        }

        (await Provisioner.CheckAsync(CancellationToken.None)).Reason.Should().BeNull("what was left is removed on the way");
        HostTraces.Find(State, Parent).Should().BeEmpty();
        (await ContainersAsync()).Should().BeEmpty();
    }

    [Test]
    public async Task A_stop_of_the_engine_ends_its_sandboxes_with_the_reason_and_nothing_hangs(CancellationToken cancellationToken)
    {
        var host = await Provisioner.ProvisionAsync(TestKernels.Spec("s1"), cancellationToken);
        await using (await RunningKernel.LaunchAsync(host, TestKernels.Python("k1"), cancellationToken))
        {
            await Daemon.StopAsync();
            (await host.Exited.WaitAsync(TimeSpan.FromSeconds(10), cancellationToken)).Should()
                .Match<HostExit>(exit => exit.Reason == "died" && exit.Message.Contains("live-restore"));
            host.Kernels.Single().Exited.IsCompleted.Should().BeTrue();
        }

        (await Provisioner.Invoking(it => it.ProvisionAsync(TestKernels.Spec("s2"), cancellationToken)).Should().ThrowAsync<GatewayException>())
            .Which.Should().Match<GatewayException>(it => it.Code == ErrorCode.HostNotReady && it.Message.Contains(Daemon.Socket));
        (await host.PowerOf<ILimitable>()!.Awaiting(it => it.SetLimitsAsync(TestKernels.Limits)).Should().ThrowAsync<GatewayException>()).Which.Code.Should().Be(ErrorCode.HostNotReady);
        await host.Awaiting(it => it.TerminateAsync(TimeSpan.Zero, cancellationToken)).Should().ThrowAsync<IOException>("its container is still in the books of the engine");
        await host.DisposeAsync();
        await Daemon.StartAsync();

        var next = await Provisioner.ProvisionAsync(TestKernels.Spec("s2"), cancellationToken);
        (await ContainersAsync()).Should().ContainSingle("the one that could not be removed has been");
        await next.TerminateAsync(TimeSpan.Zero, cancellationToken);
    }

    [Test]
    public async Task With_live_restore_kernels_outlive_the_engine_and_are_found_again_without_it(CancellationToken cancellationToken)
    {
        await Daemon.StopAsync();
        await Daemon.StartAsync(liveRestore: true);
        (await Provisioner.CheckAsync(cancellationToken)).Details["liveRestore"].Should().Be("yes");
        var host = await Provisioner.ProvisionAsync(TestKernels.Spec("s1"), cancellationToken);
        var kernel = await RunningKernel.LaunchAsync(host, TestKernels.Python("k1"), cancellationToken);
        await kernel.RunAsync("x = 41", cancellationToken);
        await Daemon.StopAsync();
        (await kernel.RunAsync("print(x)", cancellationToken)).Should().Be("41");
        await kernel.DisposeAsync();
        var description = host.Describe();
        await host.DisposeAsync();

        // Another gateway, still without an engine.
        using var other = DockerProvisionerTests.CreateWith(Options());
        var again = await other.ReattachAsync(description, cancellationToken);
        await using (var found = await RunningKernel.ConnectAsync(again.Kernels.Single(), cancellationToken))
        {
            (await found.RunAsync("print(x + 1)", cancellationToken)).Should().Be("42");
        }

        await Daemon.StartAsync(liveRestore: true);
        await again.PowerOf<ILimitable>()!.SetLimitsAsync(TestKernels.Limits with { Pids = 100 });
        await again.TerminateAsync(TimeSpan.FromSeconds(1), cancellationToken);
        (await ContainersAsync()).Should().BeEmpty();
        await Daemon.StopAsync();
    }

    [Test]
    public async Task A_sandbox_outlives_an_engine_that_is_killed_until_the_next_one_ends_it(CancellationToken cancellationToken)
    {
        var host = await Provisioner.ProvisionAsync(TestKernels.Spec("s1"), cancellationToken);
        await using var kernel = await RunningKernel.LaunchAsync(host, TestKernels.Python("k1"), cancellationToken);
        await Daemon.KillAsync();
        (await kernel.RunAsync("print(1 + 1)", cancellationToken)).Should().Be("2");
        host.Exited.IsCompleted.Should().BeFalse();

        await Daemon.StartAsync();
        (await host.Exited.WaitAsync(TimeSpan.FromSeconds(20), cancellationToken)).Reason.Should().Be("died");
        await host.TerminateAsync(TimeSpan.Zero, cancellationToken);
    }
}
