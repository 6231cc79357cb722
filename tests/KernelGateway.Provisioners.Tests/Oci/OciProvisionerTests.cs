using System.Globalization;
using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Containers;
using KernelGateway.Provisioners.Launcher;
using KernelGateway.Provisioners.Native;
using KernelGateway.Provisioners.Oci;
using KernelGateway.Provisioners.Tests.Contract;
using KernelGateway.Provisioners.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace KernelGateway.Provisioners.Tests.Oci;

/// <summary>The variant <c>local</c>: what it does beyond the contract is to isolate.</summary>
public sealed class OciProvisionerTests : KernelProvisionerContract
{
    protected override string Variant => "local";

    protected override string WorkFolderOf(string sandboxId) => "/workspace";

    protected override IKernelProvisioner Create(string state) => CreateWith(OptionsOf(state));

    protected override int AgentOf(HostDescription description)
    {
        // The child of the first process of the container.
        var init = LauncherState.Read(description, Variant).PlaceNumber("pid");
        return int.Parse(File.ReadAllText($"/proc/{init}/task/{init}/children").Split(' ')[0], CultureInfo.InvariantCulture);
    }

    internal static OciProvisionerOptions OptionsOf(string state) => new()
    {
        StateFolder = state,
        LauncherFolder = Repository.Launcher,
        CgroupParent = CgroupParent,
        // Several runs on one machine must not share uids.
        UidBase = 0x5000_0000 + (((uint)Environment.ProcessId & 0x3FFF) * 0x8000),
    };

    internal static OciProvisioner CreateWith(OciProvisionerOptions options) =>
        new(Options.Create(options), TimeProvider.System, NullLogger<OciProvisioner>.Instance);

    [Test]
    public async Task Every_process_has_the_posture_of_the_policy(CancellationToken cancellationToken)
    {
        var limits = new ResourceLimits(0.5, 300L << 20, 77);
        var id = NextId();
        var host = await ProvisionAsync(cancellationToken, id, limits: limits);
        await using var kernel = await RunningKernel.LaunchAsync(host, TestKernels.Python("k1"), cancellationToken);
        var description = host.Describe();
        var state = LauncherState.Read(description, Variant);
        var (posture, slots) = await PostureOfAsync(id, state.PlaceNumber("slot"), limits);
        var init = state.PlaceNumber("pid");
        posture.Deviations(init, 900).Should().BeEmpty("of the first process");
        posture.Deviations(AgentOf(description), 900).Should().BeEmpty("of the agent");
        var kernelPid = KernelOf(slots.KernelUid(state.PlaceNumber("slot")));
        posture.Deviations(kernelPid, 1000).Should().BeEmpty("of the kernel");
        Directory.EnumerateFileSystemEntries($"/proc/{kernelPid}/fd").Select(path => new FileInfo(path).LinkTarget ?? "")
            .Where(target => target.StartsWith(State, StringComparison.Ordinal) && !target.Contains("/logs/", StringComparison.Ordinal))
            .Should().BeEmpty("the kernel holds nothing of the host but its own log");
    }

    [Test]
    public async Task A_posture_that_differs_is_seen(CancellationToken cancellationToken)
    {
        var id = NextId();
        var host = await ProvisionAsync(cancellationToken, id);
        var state = LauncherState.Read(host.Describe(), Variant);
        var (posture, _) = await PostureOfAsync(id, state.PlaceNumber("slot"), TestKernels.Limits with { Pids = 5000 });
        posture.Deviations(state.PlaceNumber("pid"), 900).Should().Contain("pids.max is '128' instead of '5000'").And.HaveCount(2);
        posture.Deviations(Environment.ProcessId, 900).Should().Contain("the user namespace is the host's")
            .And.Contain(line => line.StartsWith("/ is ")).And.Contain(line => line.StartsWith("Seccomp")).And.Contain(line => line.StartsWith("CapEff"));
    }

    [Test]
    public async Task Two_sandboxes_never_share_a_uid(CancellationToken cancellationToken)
    {
        var first = LauncherState.Read((await ProvisionAsync(cancellationToken)).Describe(), Variant);
        var second = LauncherState.Read((await ProvisionAsync(cancellationToken)).Describe(), Variant);
        var uids = new[] { first, second }.Select(state => File.ReadAllText($"/proc/{state.PlaceNumber("pid")}/uid_map")
            .Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]).ToList()).ToList();
        uids[0].Should().HaveCount(3);
        uids[0].Should().NotIntersectWith(uids[1]);
    }

    [Test]
    public async Task Nothing_of_the_host_can_be_read_changed_or_reached(CancellationToken cancellationToken)
    {
        var host = await ProvisionAsync(cancellationToken);
        await using var kernel = await RunningKernel.LaunchAsync(host, TestKernels.Python("k1"), cancellationToken);
        await kernel.RunAsync(
            """
            import errno, os, socket
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
        await Attempt("attempt(open, '/etc/shadow')", "ENOENT");
        await Attempt("attempt(os.listdir, '/root')", "EACCES");
        await Attempt($"attempt(os.listdir, '{State}')", "ENOENT");
        await Attempt("attempt(open, '/usr/bin/evil', 'w')", "EROFS");
        await Attempt("attempt(open, '/etc/passwd', 'w')", "EROFS");
        await Attempt("attempt(open, '/run/kg/launcher/agent.py', 'a')", "EACCES|EROFS");
        await Attempt("attempt(open, '/proc/sys/kernel/core_pattern', 'w')", "EROFS");
        await Attempt("attempt(lambda: os.write(os.open('/proc/self/oom_score_adj', os.O_WRONLY), b'-900'))", "EACCES");
        await Attempt("attempt(lambda: os.write(os.open('/proc/1/oom_score_adj', os.O_WRONLY), b'-900'))", "EACCES");
        await Attempt("attempt(socket.create_connection, ('1.1.1.1', 80), 1)", "ENETUNREACH");
        await Attempt("attempt(socket.create_connection, ('169.254.169.254', 80), 1)", "ENETUNREACH");
        await Attempt("[n for _, n in socket.if_nameindex()]", "\\['lo'\\]");
        await Attempt("attempt(socket.socket, socket.AF_PACKET, socket.SOCK_RAW, 3)", "EPERM");
        await Attempt("attempt(os.setuid, 0)", "EPERM");
        await Attempt("attempt(os.mknod, '/tmp/mem', 0o20666, os.makedev(1, 1))", "EPERM");
        await Attempt("sorted(int(p) for p in os.listdir('/proc') if p.isdigit())[0], len([p for p in os.listdir('/proc') if p.isdigit()]) < 6", "1 True");
        await Attempt("os.getuid(), os.getgid(), os.getgroups()", "1000 1000 \\[\\]");
        await Attempt("os.uname().nodename, os.path.expanduser('~'), os.getcwd()", "sandbox /workspace /workspace");
        await Attempt("attempt(lambda: open('/tmp/x', 'w').write('y')), attempt(lambda: open('x', 'w').write('y'))", "did it: 1 did it: 1");
    }

    [Test]
    public async Task A_fork_bomb_stops_at_the_limit_and_can_be_ended(CancellationToken cancellationToken)
    {
        var host = await ProvisionAsync(cancellationToken, limits: TestKernels.Limits with { Pids = 64 });
        await using var kernel = await RunningKernel.LaunchAsync(host, TestKernels.Python("k1"), cancellationToken);
        (await kernel.RunAsync(
            """
            import os, signal, time
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
    }

    [Test]
    public async Task A_kill_after_an_earlier_want_of_memory_is_a_kill(CancellationToken cancellationToken)
    {
        var host = await ProvisionAsync(cancellationToken, limits: TestKernels.Limits with { MemoryBytes = 200L << 20 });
        var hog = await host.LaunchKernelAsync(TestKernels.Script("k1", "exec /usr/bin/python3.11 -c \"x = b'x' * (1 << 30)\""), cancellationToken);
        (await hog.Exited.WaitAsync(cancellationToken)).Reason.Should().Be("oom");
        if (host.Exited.IsCompleted)
        {
            Assert.Ignore("With version 2 of control groups the whole sandbox has ended.");
        }

        var next = await host.LaunchKernelAsync(TestKernels.Script("k2", "kill -9 $$"), cancellationToken);
        (await next.Exited.WaitAsync(cancellationToken)).Reason.Should().Be("signal");
    }

    [Test]
    public async Task A_socket_swapped_for_a_link_is_not_followed(CancellationToken cancellationToken)
    {
        var host = await ProvisionAsync(cancellationToken);
        // What could be reached with the rights of the gateway: a listener of the host.
        using var canary = new System.Net.Sockets.Socket(System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Unspecified);
        using var folder = new StateFolder();
        var target = Path.Combine(folder.Path, "c");
        canary.Bind(new System.Net.Sockets.UnixDomainSocketEndPoint(target));
        canary.Listen();
        var kernel = await host.LaunchKernelAsync(TestKernels.Script("k1", $"for i in 1 2 3 4 5; do ln -s {target} /run/kg/s/k1-$i; done; exec sleep 600"), cancellationToken);
        var connecting = () => kernel.ConnectAsync(new Jupyter.KernelClientOptions { ConnectTimeout = TimeSpan.FromSeconds(2) }, cancellationToken);
        await connecting.Should().ThrowAsync<KernelGateway.Core.Errors.GatewayException>();
        canary.Poll(0, System.Net.Sockets.SelectMode.SelectRead).Should().BeFalse("nobody may have come to the host's socket");
    }

    [Test]
    public async Task An_agents_socket_swapped_for_a_link_is_not_followed_when_found_again(CancellationToken cancellationToken)
    {
        var host = await Provisioner.ProvisionAsync(TestKernels.Spec(NextId()), cancellationToken);
        var swap = await host.LaunchKernelAsync(TestKernels.Script("k1", "rm /run/kg/s/agent; ln -s /run/docker.sock /run/kg/s/agent"), cancellationToken);
        await swap.Exited.WaitAsync(cancellationToken);
        var description = host.Describe();
        await host.DisposeAsync();
        (await Provisioner.Invoking(it => it.ReattachAsync(description, cancellationToken)).Should().ThrowAsync<KernelGateway.Core.Errors.GatewayException>())
            .Which.Message.Should().Contain("not a socket");
        HostTraces.Find(State, CgroupParent).Should().BeEmpty("a place that cannot be used is removed");
    }

    [Test]
    public async Task Removing_takes_trees_of_any_depth_and_follows_no_link(CancellationToken cancellationToken)
    {
        using var canary = new StateFolder();
        await File.WriteAllTextAsync(Path.Combine(canary.Path, "precious"), "x", cancellationToken);
        var host = await ProvisionAsync(cancellationToken);
        await using var kernel = await RunningKernel.LaunchAsync(host, TestKernels.Python("k1"), cancellationToken);
        await kernel.RunAsync(
            $"""
            import os
            os.symlink('{canary.Path}', 'link'); os.symlink('/', 'root')
            for i in range(3000): os.mkdir('d' * 200); os.chdir('d' * 200)
            os.chmod('.', 0)
            """,
            cancellationToken);
        await host.TerminateAsync(TimeSpan.Zero, cancellationToken);
        HostTraces.Find(State, CgroupParent).Should().BeEmpty();
        File.Exists(Path.Combine(canary.Path, "precious")).Should().BeTrue();
    }

    [Test]
    public async Task Twenty_lives_leave_the_host_as_it_was(CancellationToken cancellationToken)
    {
        async Task LiveAsync()
        {
            var host = await Provisioner.ProvisionAsync(TestKernels.Spec(NextId()), cancellationToken);
            await host.LaunchKernelAsync(TestKernels.Script("k1", "exec sleep 600"), cancellationToken);
            await host.TerminateAsync(TimeSpan.Zero, cancellationToken);
            await host.DisposeAsync();
        }

        // The first ones open what stays open: the thread pool's, the watcher's.
        await LiveAsync();
        await LiveAsync();
        var descriptors = HostTraces.FileDescriptors();
        for (var i = 0; i < 20; i++)
        {
            await LiveAsync();
        }

        HostTraces.FileDescriptors().Should().BeLessThan(descriptors + 10, "each life opens more than one, and all are given back");
        HostTraces.Find(State, CgroupParent).Should().BeEmpty();
    }

    /// <summary>The site that a provisioner of these options works on.</summary>
    internal static Task<OciSite> SiteAsync(OciProvisionerOptions options)
    {
        var folders = new ContainerFolders(options.StateFolder, null);
        return OciSite.PrepareAsync(options, new OciRuntime("runc", folders.Runtime, TimeProvider.System), CgroupLayout.Read(), folders, TimeProvider.System);
    }

    private async Task<(OciPosture Posture, UidSlots Slots)> PostureOfAsync(string id, int slot, ResourceLimits limits)
    {
        var options = OptionsOf(State);
        var site = await SiteAsync(options);
        return (new OciPosture(options, site, site.Find(id, slot), limits), site.Ground.Slots);
    }

    private static int KernelOf(uint uid) => Directory.EnumerateDirectories("/proc")
        .Select(folder => int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out var pid) ? pid : 0)
        .Where(pid => pid > 0 && WatchedProcess.ReadStart(pid) is not null)
        .Single(pid => File.ReadAllLines($"/proc/{pid}/status").Any(line => line.StartsWith("Uid:", StringComparison.Ordinal) && line.Contains(uid.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal))
            && File.ReadAllText($"/proc/{pid}/cmdline").Contains("kernel.py", StringComparison.Ordinal));
}
