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
    [Test]
    public async Task Every_process_has_the_posture_of_the_policy(CancellationToken cancellationToken)
    {
        var limits = new ResourceLimits(0.5, 300L << 20, 77);
        var host = await ProvisionAsync(cancellationToken, limits: limits);
        await using var kernel = await RunningKernel.LaunchAsync(host, TestKernels.Python("k1"), cancellationToken);
        var description = host.Describe();
        var posture = PostureOf(description, limits);
        var state = LauncherState.Read(description, Variant);
        posture.Deviations(state.PlaceNumber("pid"), 900).Should().BeEmpty("of the first process");
        posture.Deviations(AgentOf(description), 900).Should().BeEmpty("of the agent");
        var inside = await kernel.RunAsync("import os; print(os.getpid())", cancellationToken);
        posture.Deviations(OnHost(state.PlaceText("cgroup"), inside), 1000).Should().BeEmpty("of the kernel");
    }

    [Test]
    public async Task A_posture_that_differs_is_seen(CancellationToken cancellationToken)
    {
        var host = await ProvisionAsync(cancellationToken);
        var description = host.Describe();
        var posture = PostureOf(description, TestKernels.Limits with { Pids = 5000 });
        posture.Deviations(LauncherState.Read(description, Variant).PlaceNumber("pid"), 900).Should().Contain("pids.max is '128' instead of '5000'").And.HaveCount(2);
        posture.Deviations(Environment.ProcessId, 900).Should().Contain("the net namespace is the host's")
            .And.Contain(line => line.StartsWith("/ is ")).And.Contain(line => line.StartsWith("Seccomp")).And.Contain(line => line.StartsWith("CapEff")).And.Contain("/workspace is not mounted");
    }

    [Test]
    public async Task Two_sandboxes_never_share_a_uid(CancellationToken cancellationToken)
    {
        var first = await ProvisionAsync(cancellationToken);
        var second = await ProvisionAsync(cancellationToken);
        var uids = new[] { first, second }.Select(host => File.ReadLines($"/proc/{LauncherState.Read(host.Describe(), Variant).PlaceNumber("pid")}/status").Single(line => line.StartsWith("Uid:"))).ToList();
        uids[0].Should().NotBe(uids[1]);
    }

    [Test]
    public async Task Nothing_of_the_host_can_be_read_changed_or_reached(CancellationToken cancellationToken)
    {
        var host = await ProvisionAsync(cancellationToken);
        await using var kernel = await RunningKernel.LaunchAsync(host, TestKernels.Python("k1"), cancellationToken);
        await kernel.RunAsync(
            """
            import errno, os, pwd, socket
            def attempt(f, *a):
                try:
                    r = f(*a)
                    return 'did it: %r' % (r,)
                except OSError as e:
                    return errno.errorcode.get(e.errno, str(e))
            """,
            cancellationToken);
        async Task Attempt(string expression, string outcome) =>
            (await kernel.RunAsync($"print({expression})", cancellationToken)).Should().MatchRegex($"^({outcome})$", "of {0}", expression);
        await Attempt("attempt(os.mkdir, '/new'), attempt(open, '/usr/bin/evil', 'w'), attempt(open, '/etc/passwd', 'w')", "EROFS EROFS EROFS|EROFS (EACCES|EROFS) (EACCES|EROFS)|EACCES.*");
        await Attempt("attempt(open, '/etc/shadow')", "EACCES|ENOENT");
        await Attempt("attempt(os.listdir, '/root')", "EACCES");
        await Attempt("attempt(os.listdir, '/sys')", "did it: \\[\\]");
        await Attempt($"attempt(os.listdir, '{State}')", "ENOENT");
        await Attempt("attempt(open, '/run/kg/launcher/agent.py', 'a')", "EACCES|EROFS");
        await Attempt("attempt(open, '/run/kg/net/x', 'w')", "EACCES|EROFS");
        await Attempt("attempt(os.remove, '/run/kg/stdio')", "EBUSY|EACCES|EROFS");
        await Attempt("attempt(open, '/proc/sys/kernel/core_pattern', 'w')", "EROFS|EACCES");
        await Attempt("attempt(lambda: os.write(os.open('/proc/self/oom_score_adj', os.O_WRONLY), b'-900'))", "EACCES");
        await Attempt("attempt(socket.create_connection, ('1.1.1.1', 80), 1)", "ENETUNREACH");
        await Attempt("[n for _, n in socket.if_nameindex()]", "\\['lo'\\]");
        await Attempt("attempt(socket.socket, socket.AF_PACKET, socket.SOCK_RAW, 3)", "EPERM");
        await Attempt("attempt(os.setuid, 0)", "EPERM");
        await Attempt("attempt(os.mknod, '/tmp/mem', 0o20666, os.makedev(1, 1))", "EPERM");
        await Attempt("__import__('ctypes').CDLL(None, use_errno=True).unshare(0x10000000)", "-1");
        await Attempt("len([p for p in os.listdir('/proc') if p.isdigit()]) < 6, pwd.getpwuid(os.getuid()).pw_name, os.uname().nodename", "True kernel sandbox");
        await Attempt("open('/etc/resolv.conf').read(), attempt(socket.getaddrinfo, 'example.com', 80)", "\\s*(\\[Errno )?-[23].*");
        await Attempt("[attempt(lambda: open(d + '/x', 'w').write('y')) for d in ('/workspace', '/data', '/remote', '/home', '/tmp', '/dev/shm')] == ['did it: 1'] * 6", "True");
    }

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
    public async Task A_fork_bomb_stops_at_the_limit_and_is_counted(CancellationToken cancellationToken)
    {
        var host = await ProvisionAsync(cancellationToken, limits: TestKernels.Limits with { Pids = 64 });
        await using var kernel = await RunningKernel.LaunchAsync(host, TestKernels.Python("k1"), cancellationToken);
        var before = host.PowerOf<IMeasurable>()!.ReadCounters();
        (await kernel.RunAsync(
            "import os, time\nmade = []\ntry:\n  while len(made) < 1000:\n    pid = os.fork()\n    if pid == 0:\n      time.sleep(600); os._exit(0)\n    made.append(pid)\nexcept OSError as e:\n  print(type(e).__name__, len(made) < 64)",
            cancellationToken)).Should().Be("BlockingIOError True");
        var after = host.PowerOf<IMeasurable>()!.ReadUsage();
        after.Counters.PidsRefused.Should().BeGreaterThan(before.PidsRefused!.Value);
        after.Pids.Should().BeGreaterThan(40);
        after.CpuSeconds.Should().BePositive();
        after.MemoryBytes.Should().BePositive();
    }

    [Test]
    public async Task A_memory_hog_is_ended_and_told_as_out_of_memory(CancellationToken cancellationToken)
    {
        var host = await ProvisionAsync(cancellationToken, limits: TestKernels.Limits with { MemoryBytes = 200L << 20 });
        await using var kernel = await RunningKernel.LaunchAsync(host, TestKernels.Python("k1"), cancellationToken);
        using var execution = await kernel.StartAsync("x = []\nwhile True: x.append(b'x' * (1 << 20))", cancellationToken);
        var exit = await kernel.Kernel.Exited.WaitAsync(TimeSpan.FromSeconds(20), cancellationToken);
        exit.Reason.Should().Be("oom", "it said {0}", exit);
        host.PowerOf<IMeasurable>()!.ReadCounters().OomKills.Should().BePositive();
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
        PostureOf(host.Describe(), wanted).Deviations(LauncherState.Read(host.Describe(), Variant).PlaceNumber("pid"), 900)
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

    /// <summary>The number on the host of a process by its number in the container.</summary>
    private static int OnHost(string cgroup, string inside) => new CgroupLimits(CgroupLayout.Read(), cgroup, TimeProvider.System).Processes()
        .Single(pid => File.ReadLines(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/status")).Single(line => line.StartsWith("NSpid:")).EndsWith($"\t{inside}", StringComparison.Ordinal));
}
