using System.Globalization;
using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Launcher;
using KernelGateway.Provisioners.Tests.Support;

namespace KernelGateway.Provisioners.Tests.Contract;

/// <summary>What every variant with containers must do beyond the contract: isolate, hold to limits, and know when it does not.</summary>
public abstract class ContainerProvisionerContract : KernelProvisionerContract
{
    private const int Init = 900;
    private const int Kernel = 1000;

    protected override string WorkFolderOf(string sandboxId) => "/workspace";

    protected override int AgentOf(HostDescription description)
    {
        // The child of the first process of the container.
        var init = InitOf(description);
        return int.Parse(File.ReadAllText($"/proc/{init}/task/{init}/children").Split(' ')[0], CultureInfo.InvariantCulture);
    }

    /// <summary>The first process of a container.</summary>
    protected int InitOf(HostDescription description) => LauncherState.Read(description, Variant).PlaceNumber("pid");

    /// <summary>Tells how a process, by its number and by how readily it is to be ended, differs from the policy.</summary>
    protected abstract Task<Func<int, int, IReadOnlyList<string>>> PostureOfAsync(HostDescription description, ResourceLimits limits);

    /// <summary>What else a process of the host differs in.</summary>
    protected abstract string HostDiffers { get; }

    /// <summary>The user ids of the host that are one sandbox's.</summary>
    protected abstract IReadOnlyList<string> UidsOf(int init);

    /// <summary>What the variant makes of attempts on the host, besides those that all must refuse: an expression, and what it is to become.</summary>
    protected abstract IReadOnlyList<(string Expression, string Outcome)> Attempts { get; }

    [Test]
    public async Task Every_process_has_the_posture_of_the_policy(CancellationToken cancellationToken)
    {
        var limits = new ResourceLimits(0.5, 300L << 20, 77);
        var host = await ProvisionAsync(cancellationToken, limits: limits);
        await using var kernel = await RunningKernel.LaunchAsync(host, TestKernels.Python("k1"), cancellationToken);
        var description = host.Describe();
        var deviations = await PostureOfAsync(description, limits);
        var agent = AgentOf(description);
        deviations(InitOf(description), Init).Should().BeEmpty("of the first process");
        deviations(agent, Init).Should().BeEmpty("of the agent");
        var process = int.Parse(
            Directory.EnumerateDirectories($"/proc/{agent}/task").SelectMany(thread => File.ReadAllText($"{thread}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries)).Single(),
            CultureInfo.InvariantCulture);
        deviations(process, Kernel).Should().BeEmpty("of the kernel");
        Directory.EnumerateFileSystemEntries($"/proc/{process}/fd").Select(path => new FileInfo(path).LinkTarget ?? "")
            .Where(target => target.StartsWith(State, StringComparison.Ordinal) && !target.Contains("/logs/", StringComparison.Ordinal))
            .Should().BeEmpty("the kernel holds nothing of the host but its own log");
    }

    [Test]
    public async Task A_posture_that_differs_is_seen(CancellationToken cancellationToken)
    {
        var description = (await ProvisionAsync(cancellationToken)).Describe();
        var deviations = await PostureOfAsync(description, TestKernels.Limits with { Pids = 5000 });
        deviations(InitOf(description), Init).Should().Contain("pids.max is '128' instead of '5000'").And.HaveCount(2);
        deviations(Environment.ProcessId, Init).Should().Contain(HostDiffers).And.Contain("the net namespace is the host's")
            .And.Contain(line => line.StartsWith("/ is ")).And.Contain(line => line.StartsWith("Seccomp")).And.Contain(line => line.StartsWith("CapEff"));
    }

    [Test]
    public async Task Two_sandboxes_never_share_a_uid(CancellationToken cancellationToken)
    {
        var first = UidsOf(InitOf((await ProvisionAsync(cancellationToken)).Describe()));
        first.Should().NotIntersectWith(UidsOf(InitOf((await ProvisionAsync(cancellationToken)).Describe()))).And.NotBeEmpty();
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
        (string Expression, string Outcome)[] always =
        [
            ("attempt(os.listdir, '/root')", "EACCES"),
            ($"attempt(os.listdir, '{State}')", "ENOENT"),
            ("attempt(open, '/usr/bin/evil', 'w')", "EROFS"),
            ("attempt(open, '/etc/passwd', 'w')", "EROFS|EACCES"),
            ("attempt(open, '/run/kg/launcher/agent.py', 'a')", "EACCES|EROFS"),
            ("attempt(open, '/run/kg/net/x', 'w')", "EACCES|EROFS"),
            ("attempt(open, '/proc/sys/kernel/core_pattern', 'w')", "EROFS|EACCES"),
            ("attempt(lambda: os.write(os.open('/proc/self/oom_score_adj', os.O_WRONLY), b'-900'))", "EACCES"),
            ("attempt(lambda: os.write(os.open('/proc/1/oom_score_adj', os.O_WRONLY), b'-900'))", "EACCES"),
            ("attempt(socket.create_connection, ('1.1.1.1', 80), 1)", "ENETUNREACH"),
            ("attempt(socket.create_connection, ('169.254.169.254', 80), 1)", "ENETUNREACH"),
            ("[n for _, n in socket.if_nameindex()]", "\\['lo'\\]"),
            ("attempt(socket.socket, socket.AF_PACKET, socket.SOCK_RAW, 3)", "EPERM"),
            ("attempt(os.setuid, 0)", "EPERM"),
            ("attempt(os.mknod, '/tmp/mem', 0o20666, os.makedev(1, 1))", "EPERM"),
            ("sorted(int(p) for p in os.listdir('/proc') if p.isdigit())[0], len([p for p in os.listdir('/proc') if p.isdigit()]) < 6", "1 True"),
            ("os.uname().nodename, os.path.expanduser('~'), os.getcwd()", "sandbox /workspace /workspace"),
            ("attempt(lambda: open('/tmp/x', 'w').write('y')), attempt(lambda: open('x', 'w').write('y'))", "did it: 1 did it: 1"),
        ];
        foreach (var (expression, outcome) in always.Concat(Attempts))
        {
            (await kernel.RunAsync($"print({expression})", cancellationToken)).Should().MatchRegex($"^({outcome})$", "of {0}", expression);
        }
    }

    [Test]
    public async Task A_fork_bomb_stops_at_the_limit_is_counted_and_can_be_ended(CancellationToken cancellationToken)
    {
        var host = await ProvisionAsync(cancellationToken, limits: TestKernels.Limits with { Pids = 64 });
        await using var kernel = await RunningKernel.LaunchAsync(host, TestKernels.Python("k1"), cancellationToken);
        var before = host.PowerOf<IMeasurable>()!.ReadCounters();
        (await kernel.RunAsync(
            """
            import os, time
            made = []
            try:
                while len(made) < 1000:
                    pid = os.fork()
                    if pid == 0:
                        time.sleep(600)
                        os._exit(0)
                    made.append(pid)
            except OSError as e:
                print(type(e).__name__, len(made) < 64)
            """,
            cancellationToken)).Should().Be("BlockingIOError True");
        var after = host.PowerOf<IMeasurable>()!.ReadUsage();
        after.Counters.PidsRefused.Should().BeGreaterThan(before.PidsRefused!.Value);
        after.Pids.Should().BeGreaterThan(40);
        after.CpuSeconds.Should().BePositive();
        after.MemoryBytes.Should().BePositive();
        await host.TerminateAsync(TimeSpan.Zero, cancellationToken);
        HostTraces.Find(State, CgroupParent).Should().BeEmpty();
    }

    [Test]
    public async Task A_memory_hog_is_ended_and_told_as_out_of_memory(CancellationToken cancellationToken)
    {
        var host = await ProvisionAsync(cancellationToken, limits: TestKernels.Limits with { MemoryBytes = 200L << 20 });
        await using var kernel = await RunningKernel.LaunchAsync(host, TestKernels.Python("k1"), cancellationToken);
        using var execution = await kernel.StartAsync("x = []\nwhile True: x.append(b'x' * (1 << 20))", cancellationToken);
        var exit = await kernel.Kernel.Exited.WaitAsync(TimeSpan.FromSeconds(20), cancellationToken);
        exit.Reason.Should().Be("oom", "it said {0}", exit);
        exit.Message.Should().Contain("out of memory");
        host.PowerOf<IMeasurable>()!.ReadCounters().OomKills.Should().BePositive();
    }
}
