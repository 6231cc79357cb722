using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Docker;
using KernelGateway.Provisioners.Tests.Support;

namespace KernelGateway.Provisioners.Tests.Docker;

/// <summary>What becomes of sandboxes when the engine stops, dies and comes back.</summary>
[NonParallelizable]
[CancelAfter(90_000)]
public sealed class DaemonRestartTests
{
    private readonly string _parent = $"/kg-restart-{Environment.ProcessId}";
    private StateFolder _folder = null!;
    private DockerDaemon _daemon = null!;
    private DockerProvisioner _provisioner = null!;

    private string State => Path.Combine(_folder.Path, "h");

    [SetUp]
    public async Task MakeProvisioner()
    {
        _daemon = await SharedDaemon.GetAsync();
        _folder = new StateFolder();
        _provisioner = Create();
    }

    [TearDown]
    public async Task LeaveNothing()
    {
        if (_daemon is null)
        {
            return;
        }

        // As other tests expect it.
        if (_daemon.HasEnded)
        {
            await _daemon.StartAsync();
        }

        (await _provisioner.CheckAsync(CancellationToken.None)).Reason.Should().BeNull("what was left is removed on the way");
        var left = HostTraces.Find(State, _parent);
        HostTraces.RemoveGroups(_parent);
        _provisioner.Dispose();
        _folder.Dispose();
        left.Should().BeEmpty();
        (await _daemon.DockerAsync("ps", "--all", "--quiet")).Should().BeEmpty();
    }

    [Test]
    public async Task A_stop_of_the_engine_ends_its_sandboxes_with_the_reason_and_nothing_hangs(CancellationToken cancellationToken)
    {
        var host = await _provisioner.ProvisionAsync(TestKernels.Spec("s1"), cancellationToken);
        await using (await RunningKernel.LaunchAsync(host, TestKernels.Python("k1"), cancellationToken))
        {
            await _daemon.StopAsync();
            (await host.Exited.WaitAsync(TimeSpan.FromSeconds(10), cancellationToken)).Should()
                .Match<HostExit>(exit => exit.Reason == "died" && exit.Message.Contains("live-restore"));
            host.Kernels.Single().Exited.IsCompleted.Should().BeTrue();
        }

        (await _provisioner.Invoking(it => it.ProvisionAsync(TestKernels.Spec("s2"), cancellationToken)).Should().ThrowAsync<GatewayException>())
            .Which.Should().Match<GatewayException>(it => it.Code == ErrorCode.HostNotReady && it.Message.Contains(_daemon.Socket));
        (await host.PowerOf<ILimitable>()!.Awaiting(it => it.SetLimitsAsync(TestKernels.Limits)).Should().ThrowAsync<GatewayException>()).Which.Code.Should().Be(ErrorCode.HostNotReady);
        await host.Awaiting(it => it.TerminateAsync(TimeSpan.Zero, cancellationToken)).Should().ThrowAsync<IOException>("its container is still in the books of the engine");
        await host.DisposeAsync();
        await _daemon.StartAsync();

        var next = await _provisioner.ProvisionAsync(TestKernels.Spec("s2"), cancellationToken);
        (await _daemon.DockerAsync("ps", "--all", "--quiet")).Split('\n').Should().ContainSingle("the one that could not be removed has been");
        await next.TerminateAsync(TimeSpan.Zero, cancellationToken);
    }

    [Test]
    public async Task With_live_restore_kernels_outlive_the_engine_and_are_found_again_without_it(CancellationToken cancellationToken)
    {
        await _daemon.StopAsync();
        await _daemon.StartAsync(liveRestore: true);
        (await _provisioner.CheckAsync(cancellationToken)).Details["liveRestore"].Should().Be("yes");
        var host = await _provisioner.ProvisionAsync(TestKernels.Spec("s1"), cancellationToken);
        var kernel = await RunningKernel.LaunchAsync(host, TestKernels.Python("k1"), cancellationToken);
        await kernel.RunAsync("x = 41", cancellationToken);
        await _daemon.StopAsync();
        (await kernel.RunAsync("print(x)", cancellationToken)).Should().Be("41");
        await kernel.DisposeAsync();
        var description = host.Describe();
        await host.DisposeAsync();

        // Another gateway, still without an engine.
        using var other = Create();
        var again = await other.ReattachAsync(description, cancellationToken);
        await using (var found = await RunningKernel.ConnectAsync(again.Kernels.Single(), cancellationToken))
        {
            (await found.RunAsync("print(x + 1)", cancellationToken)).Should().Be("42");
        }

        await _daemon.StartAsync(liveRestore: true);
        await again.PowerOf<ILimitable>()!.SetLimitsAsync(TestKernels.Limits with { Pids = 100 });
        await again.TerminateAsync(TimeSpan.FromSeconds(1), cancellationToken);
        (await _daemon.DockerAsync("ps", "--all", "--quiet")).Should().BeEmpty();
        await _daemon.StopAsync();
    }

    [Test]
    public async Task A_sandbox_outlives_an_engine_that_is_killed_until_the_next_one_ends_it(CancellationToken cancellationToken)
    {
        var host = await _provisioner.ProvisionAsync(TestKernels.Spec("s1"), cancellationToken);
        await using var kernel = await RunningKernel.LaunchAsync(host, TestKernels.Python("k1"), cancellationToken);
        await _daemon.KillAsync();
        (await kernel.RunAsync("print(1 + 1)", cancellationToken)).Should().Be("2");
        host.Exited.IsCompleted.Should().BeFalse();

        await _daemon.StartAsync();
        (await host.Exited.WaitAsync(TimeSpan.FromSeconds(20), cancellationToken)).Reason.Should().Be("died");
        await host.TerminateAsync(TimeSpan.Zero, cancellationToken);
    }

    private DockerProvisioner Create()
    {
        var options = new DockerProvisionerOptions
        {
            SocketPath = _daemon.Socket,
            Image = DockerDaemon.Image,
            StateFolder = State,
            LauncherFolder = Repository.Launcher,
            CgroupParent = _parent,
            UidBase = 0x4900_0000,
        };
        return DockerProvisionerTests.CreateWith(options);
    }
}
