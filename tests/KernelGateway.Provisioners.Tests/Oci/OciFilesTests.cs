using System.Diagnostics;
using KernelGateway.Contracts.Files;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Files;
using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Launcher;
using KernelGateway.Provisioners.Oci;
using KernelGateway.Provisioners.Tests.Support;

namespace KernelGateway.Provisioners.Tests.Oci;

/// <summary>Files of a container whose code does what it can to lead the gateway out of it.</summary>
[NonParallelizable]
[CancelAfter(120_000)]
public sealed class OciFilesTests
{
    private StateFolder _state = null!;
    private OciProvisioner _provisioner = null!;
    private IKernelHost _host = null!;
    private RunningKernel _kernel = null!;

    private ISandboxFiles Files => ((IFileHost)_host).Files;

    private int InitPid => LauncherState.Read(_host.Describe(), "local").PlaceNumber("pid");

    [OneTimeSetUp]
    public async Task Provision()
    {
        Requires.Program("/usr/bin/python3.11");
        _state = new StateFolder();
        _provisioner = OciProvisionerTests.CreateWith(OciProvisionerTests.OptionsOf(Path.Combine(_state.Path, "h")));
        var ready = await _provisioner.CheckAsync(CancellationToken.None);
        Requires.Demand(ready.Ready, $"The variant local ({ready.Reason})");
        _host = await _provisioner.ProvisionAsync(TestKernels.Spec("files"), CancellationToken.None);
        _kernel = await RunningKernel.LaunchAsync(_host, TestKernels.Python("k1"), CancellationToken.None);
    }

    [OneTimeTearDown]
    public async Task Remove()
    {
        if (_kernel is not null)
        {
            await _kernel.DisposeAsync();
        }

        if (_host is not null)
        {
            await _host.TerminateAsync(TimeSpan.Zero, CancellationToken.None);
        }

        _provisioner?.Dispose();
        _state?.Dispose();
    }

    [TestCase("/etc/passwd", "kernel")]
    public async Task F02_the_files_of_the_system_are_the_sandboxs_own_and_not_the_hosts(string path, string contains, CancellationToken cancellationToken)
    {
        var seen = await Files.ReadTextAsync(path, cancellationToken);
        seen.Should().Contain(contains).And.Be(await _kernel.RunAsync($"print(open('{path}').read())", cancellationToken) + "\n");
        seen.Should().NotBe(await File.ReadAllTextAsync(path, cancellationToken));
    }

    [TestCase("/proc/self/environ")]
    [TestCase("/proc/1/root/etc/shadow")]
    [TestCase("/proc")]
    [TestCase("/sys/kernel")]
    [TestCase("/dev/null")]
    [TestCase("/run/kg/s/agent")]
    public async Task What_the_system_shows_of_itself_is_refused(string path, CancellationToken cancellationToken)
    {
        await Files.ShouldRefuseAsync(it => it.StatAsync(SandboxPath.Parse(path), cancellationToken), ErrorCode.InvalidPath, path);
        await Files.ShouldRefuseAsync(it => it.WriteTextAsync(path, "x", cancellationToken), ErrorCode.InvalidPath, path);
        await Files.ShouldRefuseAsync(it => it.ListAsync(SandboxPath.Parse(path), new FileListing(1, 1, null), cancellationToken), ErrorCode.InvalidPath, path);
    }

    [TestCase("/etc/passwd")]
    [TestCase("/etc/new")]
    [TestCase("/usr/bin/new")]
    public async Task What_the_sandboxs_user_may_not_write_cannot_be_written(string path, CancellationToken cancellationToken)
    {
        await Files.ShouldRefuseAsync(it => it.WriteTextAsync(path, "x", cancellationToken), ErrorCode.PermissionDenied, path);
        await Files.ShouldRefuseAsync(it => it.MoveAsync(SandboxPath.Parse("/etc/passwd"), SandboxPath.Parse("/tmp/stolen"), false, cancellationToken), ErrorCode.PermissionDenied, path);
        (await _kernel.RunAsync("import os; print(os.path.exists('/tmp/stolen'))", cancellationToken)).Should().Be("False", "a move is made completely or not at all");
        await Files.ShouldRefuseAsync(it => it.RemoveAsync(SandboxPath.Parse("/usr"), true, cancellationToken), ErrorCode.PermissionDenied, path);
    }

    [TestCase("/data/test.txt")]
    [TestCase("/remote/deep/er/file")]
    public async Task Anywhere_that_is_not_the_systems_files_can_be_kept(string path, CancellationToken cancellationToken)
    {
        await Files.WriteTextAsync(path, "kept", cancellationToken);

        (await _kernel.RunAsync($"print(open('{path}').read(), end='')", cancellationToken)).Should().Be("kept");
    }

    [Test]
    public async Task Owners_and_modes_count_as_for_the_sandboxs_user(CancellationToken cancellationToken)
    {
        // Placed by the host, as nobody inside could: files of other owners in a folder of the user.
        var work = $"/proc/{InitPid}/root/workspace";
        await File.WriteAllTextAsync(Path.Combine(work, "secret"), "of root", cancellationToken);
        File.SetUnixFileMode(Path.Combine(work, "secret"), UnixFileMode.UserRead | UnixFileMode.UserWrite);
        Directory.CreateDirectory(Path.Combine(work, "closed", "in"));
        File.SetUnixFileMode(Path.Combine(work, "closed"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        await File.WriteAllTextAsync(Path.Combine(work, "group"), "of group 0", cancellationToken);
        File.SetUnixFileMode(Path.Combine(work, "group"), UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.GroupWrite);
        await _kernel.RunAsync("import os; open('own', 'w').write('x'); os.chmod('own', 0o400)", cancellationToken);

        foreach (var path in new[] { "secret", "group" })
        {
            await Files.ShouldRefuseAsync(it => it.ReadTextAsync(path, cancellationToken), ErrorCode.PermissionDenied, path);
            await Files.ShouldRefuseAsync(it => it.WriteTextAsync(path, "x", cancellationToken), ErrorCode.PermissionDenied, path);
            await Files.ShouldRefuseAsync(it => it.CopyAsync(SandboxPath.Parse(path), SandboxPath.Parse("copy"), false, cancellationToken), ErrorCode.PermissionDenied, path);
        }

        await Files.ShouldRefuseAsync(it => it.ListAsync(SandboxPath.Parse("closed"), new FileListing(1, 1, null), cancellationToken), ErrorCode.PermissionDenied, "closed");
        await Files.ShouldRefuseAsync(it => it.WriteTextAsync("closed/x", "x", cancellationToken), ErrorCode.PermissionDenied, "closed/x");
        await Files.ShouldRefuseAsync(it => it.RemoveAsync(SandboxPath.Parse("closed"), true, cancellationToken), ErrorCode.PermissionDenied, "closed");
        await Files.ShouldRefuseAsync(it => it.WriteTextAsync("own", "y", cancellationToken), ErrorCode.PermissionDenied, "own");
        (await Files.ReadTextAsync("own", cancellationToken)).Should().Be("x");
        Directory.Delete(Path.Combine(work, "closed"), recursive: true);
    }

    [Test]
    public async Task A_thread_has_its_own_rights_back_after_every_call(CancellationToken cancellationToken)
    {
        var before = RightsOfThreads();
        await Parallel.ForEachAsync(Enumerable.Range(0, 2000), cancellationToken, async (i, token) =>
        {
            await Files.WriteTextAsync($"rights/{i % 16}", "x", token);
            await Files.ReadTextAsync("/etc/passwd", token);
        });

        before.Should().ContainSingle("all threads of the gateway have the same rights");
        RightsOfThreads().Should().Equal(before, "a thread that keeps the sandbox's rights would fail at the gateway's own work");
        await Files.RemoveAsync(SandboxPath.Parse("rights"), true, cancellationToken);
    }

    [Test]
    public async Task Files_of_other_mounts_are_reached_copied_and_moved(CancellationToken cancellationToken)
    {
        await Files.WriteTextAsync("/tmp/x/a", "tmp", cancellationToken);
        await Files.WriteTextAsync("/tmp/x/b", "tmp", cancellationToken);
        await Files.MoveAsync(SandboxPath.Parse("/tmp/x"), SandboxPath.Parse("/workspace/y"), false, cancellationToken);
        (await _kernel.RunAsync("import os; print(sorted(os.listdir('y')), os.path.exists('/tmp/x'), os.stat('y/a').st_uid)", cancellationToken)).Should().Be("['a', 'b'] False 1000");
        await Files.MoveAsync(SandboxPath.Parse("y/a"), SandboxPath.Parse("/tmp/a"), false, cancellationToken);
        (await Files.ReadTextAsync("/tmp/a", cancellationToken)).Should().Be("tmp");
        (await Files.StatAsync(SandboxPath.Parse("/"), cancellationToken)).Should().Match<FileEntry>(it => it.Path == "/" && it.Type == FileType.Directory);
        (await Files.ListAsync(SandboxPath.Parse("/"), new FileListing(1, 100, null), cancellationToken)).Items.Select(it => it.Path).Should().Contain(["/etc", "/tmp", "/usr", "/workspace"]);
        await Files.RemoveAsync(SandboxPath.Parse("y"), true, cancellationToken);
    }

    [Test]
    public async Task F13_a_full_disk_is_said_and_leaves_nothing(CancellationToken cancellationToken)
    {
        var free = int.Parse(await _kernel.RunAsync("import os; s = os.statvfs('/tmp'); print(s.f_bavail * s.f_frsize)", cancellationToken), System.Globalization.CultureInfo.InvariantCulture);
        await Files.ShouldRefuseAsync(it => it.WriteAsync(SandboxPath.Parse("/tmp/big"), new PatternStream(free + (1 << 20)), new FileWrite(long.MaxValue), cancellationToken), ErrorCode.DiskFull, "/tmp/big");
        (await _kernel.RunAsync("s = os.statvfs('/tmp'); print(s.f_bavail * s.f_frsize)", cancellationToken)).Should().Be(free.ToString(System.Globalization.CultureInfo.InvariantCulture));
    }

    [Test]
    public async Task F04_a_hundred_thousand_rounds_against_racing_renames_never_leave_the_sandbox(CancellationToken cancellationToken)
    {
        const int Rounds = 100_000;
        using var outside = new StateFolder();
        var canary = Path.Combine(outside.Path, "victim");
        await File.WriteAllTextAsync(canary, "CANARY", cancellationToken);

        // 'a' is a folder, then a link to the host's folder (if it led there), to / and to /proc/1/root: as fast as it goes.
        await _kernel.RunAsync(
            $$"""
            import os, ctypes
            os.makedirs('race/a'); open('race/a/victim', 'w').write('inside'); open('race/plain', 'w').write('plain'); os.symlink('{{canary}}', 'race/file-link')
            for i, t in enumerate(['{{outside.Path}}', '/', '/proc/1/root', '../../../../../../..{{outside.Path}}']): os.symlink(t, f'race/link{i}')
            libc = ctypes.CDLL(None, use_errno=True)
            swap = lambda x, y: libc.renameat2(-100, b'race/' + x, -100, b'race/' + y, 2)
            """,
            cancellationToken);
        (await _kernel.RunAsync("print(swap(b'a', b'link0'), os.path.islink('race/a'), swap(b'a', b'link0'), os.path.islink('race/a'))", cancellationToken)).Should().Be("0 True 0 False");
        using var racing = await _kernel.StartAsync(
            """
            import itertools
            for i in itertools.count():
                name = b'link%d' % (i % 4)
                swap(b'a', name); swap(b'a', name); swap(b'plain', b'file-link'); swap(b'plain', b'file-link')
                if i % 16 == 0 and not os.path.lexists('race/a/victim'):
                    try: open('race/a/victim', 'w').write('inside')
                    except OSError: pass
            """,
            cancellationToken);
        var watch = Stopwatch.StartNew();
        var outcomes = new Dictionary<string, int>();
        for (var round = 0; round < Rounds; round++)
        {
            var outcome = await AttemptAsync(round, cancellationToken);
            outcomes[outcome] = outcomes.GetValueOrDefault(outcome) + 1;
        }

        TestContext.Out.WriteLine($"{watch.Elapsed.TotalSeconds:0.0} s: {string.Join(", ", outcomes.OrderByDescending(one => one.Value).Select(one => $"{one.Key} {one.Value}"))}");
        await _kernel.Kernel.SignalAsync(KernelSignal.Interrupt, cancellationToken);
        await racing.Completion.WaitAsync(cancellationToken);
        (await File.ReadAllTextAsync(canary, cancellationToken)).Should().Be("CANARY");
        Directory.EnumerateFileSystemEntries(outside.Path).Should().Equal(canary);
        outcomes.Keys.Should().NotContain("escaped");
        outcomes.GetValueOrDefault("SymlinkNotFollowed").Should().BeGreaterThan(100, "the race was on");
        outcomes.Where(one => one.Key.StartsWith("done", StringComparison.Ordinal)).Sum(one => one.Value).Should().BeGreaterThan(100, "the race was on");
    }

    private async Task<string> AttemptAsync(int round, CancellationToken cancellationToken)
    {
        try
        {
            switch (round % 10)
            {
                case 0:
                    await Files.WriteAsync(SandboxPath.Parse("race/a/new"), new MemoryStream("evil"u8.ToArray()), new FileWrite(100, MakeParents: false), cancellationToken);
                    return "done write";
                case 1:
                    await Files.RemoveAsync(SandboxPath.Parse("race/a/victim"), false, cancellationToken);
                    return "done remove";
                case 2:
                    var list = await Files.ListAsync(SandboxPath.Parse("race/a"), new FileListing(1, 10, null), cancellationToken);
                    return list.Items.All(it => it.Name is "victim" or "new" || it.Name.StartsWith(".kg-", StringComparison.Ordinal)) ? "done list" : "escaped";
                case 3:
                    await Files.WriteTextAsync("race/plain", "plain", cancellationToken);
                    return "done replace";
                case 4:
                    return await Files.ReadTextAsync("race/plain", cancellationToken) is "plain" ? "done read plain" : "escaped";
                case 5:
                    await Files.StatAsync(SandboxPath.Parse("race/a/victim"), cancellationToken);
                    return "done stat";
                default:
                    return await Files.ReadTextAsync("race/a/victim", cancellationToken) is "inside" or "" ? "done read" : "escaped";
            }
        }
        catch (GatewayException error)
        {
            return error.Code.ToString();
        }
    }

    private static List<string> RightsOfThreads()
    {
        string[] wanted = ["Uid:", "Gid:", "Groups:", "CapEff:", "CapPrm:"];
        var seen = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var task in Directory.EnumerateDirectories("/proc/self/task"))
        {
            try
            {
                seen.Add(string.Join(' ', File.ReadAllLines(Path.Combine(task, "status")).Where(line => wanted.Any(line.StartsWith)).Select(line => string.Join(' ', line.Split('\t', ' ', StringSplitOptions.RemoveEmptyEntries)))));
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                // The thread has ended.
            }
        }

        return [.. seen.Where(line => line.Length > 0)];
    }
}
