using System.Globalization;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Containers;
using KernelGateway.Provisioners.Docker;
using KernelGateway.Provisioners.Launcher;
using KernelGateway.Provisioners.Tests.Support;

namespace KernelGateway.Provisioners.Tests.Docker;

/// <summary>What a container of the variant cannot do, and what it is told when it meets a limit.</summary>
public sealed partial class DockerProvisionerTests
{
    protected override string HostDiffers => "/workspace is not mounted";

    protected override IReadOnlyList<(string Expression, string Outcome)> Attempts =>
    [
        ("attempt(os.mkdir, '/new')", "EROFS|EACCES"),
        ("attempt(open, '/etc/shadow')", "EACCES|ENOENT"),
        ("attempt(os.listdir, '/sys')", "did it: \\[\\]"),
        ("attempt(os.remove, '/run/kg/stdio')", "EBUSY|EACCES|EROFS"),
        ("__import__('ctypes').CDLL(None, use_errno=True).unshare(0x10000000)", "-1"),
        ("pwd.getpwuid(os.getuid()).pw_name", "kernel"),
        ("open('/etc/resolv.conf').read(), attempt(socket.getaddrinfo, 'example.com', 80)", "\\s*(\\[Errno )?-[23].*"),
        ("[attempt(lambda: open(d + '/x', 'w').write('y')) for d in ('/workspace', '/data', '/remote', '/home', '/tmp', '/dev/shm')] == ['did it: 1'] * 6", "True"),
    ];

    protected override IReadOnlyList<string> UidsOf(int init) => File.ReadLines($"/proc/{init}/status").Single(line => line.StartsWith("Uid:")).Split('\t')[1..];

    protected override Task<Func<int, int, IReadOnlyList<string>>> PostureOfAsync(HostDescription description, ResourceLimits limits) =>
        Task.FromResult<Func<int, int, IReadOnlyList<string>>>((pid, oomScoreAdjust) => PostureOf(description, limits).Deviations(pid, oomScoreAdjust));

    [Test]
    public async Task A_call_that_the_filter_refuses_is_refused_as_in_local(CancellationToken cancellationToken)
    {
        var host = await ProvisionAsync(cancellationToken);
        await using var kernel = await RunningKernel.LaunchAsync(host, TestKernels.Python("k1"), cancellationToken);
        // Calls that need no right: only a filter can refuse them. 425 io_uring_setup, 323 userfaultfd, 250 keyctl, 101 ptrace(TRACEME).
        (await kernel.RunAsync(
            "import ctypes, errno; c = ctypes.CDLL(None, use_errno=True)\ndef call(*a):\n  r = c.syscall(*a)\n  return errno.errorcode[ctypes.get_errno()] if r < 0 else r\nprint(call(425, 1, 0), call(323, 1), call(250, 0, -3, 0), call(101, 0, 0, 0, 0), call(39) > 0)",
            cancellationToken)).Should().Be("ENOSYS ENOSYS EPERM EPERM True");
    }

    [Test]
    public async Task A_disk_that_is_full_says_so_and_the_kernel_goes_on(CancellationToken cancellationToken)
    {
        var host = await ProvisionAsync(cancellationToken, limits: TestKernels.Limits with { DiskBytes = 32L << 20, DiskInodes = 512 });
        await using var kernel = await RunningKernel.LaunchAsync(host, TestKernels.Python("k1"), cancellationToken);
        (await kernel.RunAsync("f = open('/data/big', 'wb')\nfor i in range(100): f.write(b'x' * (1 << 20)); f.flush()", cancellationToken)).Should().Contain("No space left on device");
        (await kernel.RunAsync("f.close()", cancellationToken)).Should().BeEmpty();
        host.MeasureDisk().Should().Match<DiskUse>(disk => disk.TotalBytes <= 32L << 20 && disk.UsedBytes > 20L << 20 && disk.TotalInodes <= 600);
        (await kernel.RunAsync("import os; os.remove('/data/big'); print(1 + 1)", cancellationToken)).Should().Be("2");
    }

    [Test]
    public async Task Limits_change_at_once_all_or_none(CancellationToken cancellationToken)
    {
        var host = await ProvisionAsync(cancellationToken);
        await using var kernel = await RunningKernel.LaunchAsync(host, TestKernels.Python("k1"), cancellationToken);
        var limits = host.PowerOf<ILimitable>()!;
        var wanted = new ResourceLimits(1.5, 700L << 20, 99);
        await limits.SetLimitsAsync(wanted);
        PostureOf(host.Describe(), wanted).Deviations(InitOf(host.Describe()), 900)
            .Should().BeEmpty();

        await kernel.RunAsync("held = b'x' * (200 << 20)", cancellationToken);
        (await limits.Awaiting(it => it.SetLimitsAsync(wanted with { MemoryBytes = 100L << 20, Pids = 50 })).Should().ThrowAsync<GatewayException>())
            .Which.Should().Match<GatewayException>(it => it.Code == ErrorCode.Conflict && it.Field == "memoryMb" && it.Message.Contains("Nothing was changed"));
        (await limits.Awaiting(it => it.SetLimitsAsync(wanted with { Pids = 100_000 })).Should().ThrowAsync<GatewayException>()).Which.Field.Should().Be("pids");
        var cgroup = new CgroupLimits(CgroupLayout.Read(), LauncherState.Read(host.Describe(), Variant).PlaceText("cgroup"), TimeProvider.System);
        cgroup.Read("pids", "pids.max").Should().Be("99");
        (await kernel.RunAsync("print(len(held))", cancellationToken)).Should().Be("209715200");
    }

    [Test]
    public async Task A_container_that_is_stopped_or_removed_by_somebody_else_is_told_so(CancellationToken cancellationToken)
    {
        var stopped = await ProvisionAsync(cancellationToken);
        var removed = await ProvisionAsync(cancellationToken);
        await s_daemon.DockerAsync("stop", LauncherState.Read(stopped.Describe(), Variant).PlaceText("container"));
        (await stopped.Exited.WaitAsync(cancellationToken)).Should().Match<HostExit>(exit => exit.Reason == "died" && exit.Message.Contains("stopped from outside"));
        await s_daemon.DockerAsync("rm", "--force", LauncherState.Read(removed.Describe(), Variant).PlaceText("container"));
        (await removed.Exited.WaitAsync(cancellationToken)).Reason.Should().Be("died");
    }

    [Test]
    public async Task A_container_of_ours_that_nothing_else_knows_of_is_swept_and_those_of_others_stay(CancellationToken cancellationToken)
    {
        await s_daemon.DockerAsync("create", "--name", "stranger", "--label", "kernelgateway.state=/srv/another", "--label", "kernelgateway.sandbox=x1", "--network", "none", DockerDaemon.Image, "/bin/true");
        await s_daemon.DockerAsync("create", "--name", DockerSandbox.NameOf(State, "lost1"), "--label", $"kernelgateway.state={State}", "--label", "kernelgateway.sandbox=lost1", "--network", "none", DockerDaemon.Image, "/bin/true");
        await s_daemon.DockerAsync("create", "--name", "liar", "--label", $"kernelgateway.state={State}", "--label", "kernelgateway.sandbox=../../etc", "--network", "none", DockerDaemon.Image, "/bin/true");
        try
        {
            (await Provisioner.RemoveOrphansAsync(new HashSet<string>(), cancellationToken)).Should().Equal("lost1");
            (await s_daemon.DockerAsync("ps", "--all", "--format", "{{.Names}}")).Split('\n').Should().BeEquivalentTo("stranger", "liar");
        }
        finally
        {
            await s_daemon.DockerAsync("rm", "stranger", "liar");
        }
    }

    private static DockerPosture PostureOf(HostDescription description, ResourceLimits limits)
    {
        var state = LauncherState.Read(description, "local-docker");
        var options = OptionsOf("/unused");
        var layout = CgroupLayout.Read();
        var uid = options.UidBase + ((uint)state.PlaceNumber("slot") * UidSlots.UidsPerSlot) + 1;
        return new DockerPosture(options, layout, new CgroupLimits(layout, state.PlaceText("cgroup"), TimeProvider.System), uid, limits);
    }
}
