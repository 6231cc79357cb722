using KernelGateway.Core.Errors;
using KernelGateway.Core.Faults;
using KernelGateway.Core.Files;
using KernelGateway.Core.Policies;
using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Containers;
using KernelGateway.Provisioners.Launcher;
using KernelGateway.Provisioners.Oci;
using KernelGateway.Provisioners.Tests.Support;

namespace KernelGateway.Provisioners.Tests.Oci;

/// <summary>Folders of the host in real containers: who may read and write what, that no trick gets round it, and that nothing is left on the host.</summary>
[NonParallelizable]
[CancelAfter(120_000)]
public sealed class HostFolderTests() : LocalSandboxFixture("host", 0x7000)
{
    private const int Owner = 12345;

    private const string Helpers =
        """
        import ctypes, errno, os, shutil, stat
        os.chdir('/data')
        def attempt(f, *a, **k):
            try:
                f(*a, **k)
                return 'did it'
            except OSError as e:
                return errno.errorcode.get(e.errno, str(e))
        def write(path): open(path, 'w').write('evil')
        def read(path): return open(path).read()
        def tricks(path):
            'What gets round a lock on a path, or everything that was tried.'
            other = path + '.new'
            write(other)
            tried = {
                'write': attempt(write, path), 'append': attempt(open, path, 'a'), 'truncate': attempt(os.truncate, path, 0), 'unlink': attempt(os.unlink, path),
                'rename': attempt(os.rename, path, path + '.old'), 'replace': attempt(os.replace, other, path), 'link': attempt(os.link, path, path + '.link'),
                'chmod': attempt(os.chmod, path, 0o777), 'utime': attempt(os.utime, path), 'symlink': attempt(os.symlink, other, path), 'mkdir': attempt(os.mkdir, path),
            }
            os.remove(other)
            return [name for name, result in tried.items() if result == 'did it']
        """;

    private string _source = "";
    private int _number;

    [SetUp]
    public void MakeProject()
    {
        _source = Path.Combine(Folder, $"project {++_number}");
        Give("a.txt", "a");
        Give("sub/b.txt", "b");
        Sh($"chown -R {Owner}:{Owner} '{_source}'");
    }

    private protected override void CheckNothingElseIsLeft()
    {
        Sh($"find '{_source}' -perm 000").Should().BeEmpty("no name is kept taken");
        File.ReadAllText("/proc/self/mountinfo").Should().NotContain("project\\040");
    }

    [Test]
    public async Task A_folder_for_reading_is_read_and_never_written(CancellationToken cancellationToken)
    {
        var before = Listing();
        var host = await ProvisionAsync(cancellationToken, Mount() with { Access = "read" });
        await using var kernel = await KernelAsync(host, cancellationToken);
        (await kernel.RunAsync(
            """
            print(read('a.txt'), read('sub/b.txt'), os.stat('a.txt').st_uid, os.stat('a.txt').st_gid)
            print({attempt(write, 'a.txt'), attempt(write, 'new'), attempt(os.mkdir, 'd'), attempt(os.remove, 'a.txt'), attempt(os.rename, 'a.txt', 'c'), attempt(os.chmod, 'a.txt', 0o777)})
            """,
            cancellationToken)).Should().Be("a b 1000 1000\n{'EROFS'}");
        await EndAsync(host, cancellationToken);
        Listing().Should().Be(before);
    }

    [Test]
    public async Task What_is_written_belongs_to_the_folders_owner_and_nothing_else_changes(CancellationToken cancellationToken)
    {
        var before = Listing();
        var host = await ProvisionAsync(cancellationToken, Mount());
        await using var kernel = await KernelAsync(host, cancellationToken);
        (await kernel.RunAsync("write('new.txt'); os.mkdir('d'); write('d/x'); os.rename('d/x', 'd/y'); os.remove('a.txt'); print(read('new.txt'), os.stat('new.txt').st_uid)", cancellationToken))
            .Should().Be("evil 1000");
        Sh($"stat -c %u:%g '{_source}/new.txt' '{_source}/d/y'").Should().Be($"{Owner}:{Owner}\n{Owner}:{Owner}\n");
        await EndAsync(host, cancellationToken);
        Sh($"cd '{_source}'; rm new.txt d/y; rmdir d; printf a > a.txt; chown {Owner}:{Owner} a.txt; chmod 644 a.txt");
        Listing().Should().Be(before);
    }

    [Test]
    public async Task Files_of_other_owners_cannot_be_written_and_their_modes_count(CancellationToken cancellationToken)
    {
        Give("roots", "r");
        Give("secret", "s");
        Sh($"cd '{_source}'; chown 0:0 roots secret; chmod 666 roots; chmod 600 secret");
        var host = await ProvisionAsync(cancellationToken, Mount());
        await using var kernel = await KernelAsync(host, cancellationToken);
        (await kernel.RunAsync("print(read('roots'), attempt(write, 'roots'), attempt(read, 'secret'), attempt(os.chmod, 'secret', 0o777))", cancellationToken))
            .Should().Be("r EACCES EACCES EOVERFLOW");
        await EndAsync(host, cancellationToken);
    }

    [Test]
    public async Task What_is_denied_for_reading_is_empty_and_takes_no_writes(CancellationToken cancellationToken)
    {
        Give("keys/id", "k");
        Give("deep/er/cert.pem", "p");
        Give("plain", "x");
        Own();
        var host = await ProvisionAsync(cancellationToken, Mount() with { DenyRead = ["keys/", "**/*.pem", "plain", "absent"] });
        await using var kernel = await KernelAsync(host, cancellationToken);
        (await kernel.RunAsync(
            """
            print(os.listdir('keys'), repr(read('deep/er/cert.pem')), repr(read('plain')), attempt(read, 'keys/id'))
            print(attempt(write, 'keys/id'), attempt(os.rmdir, 'keys'), attempt(os.rename, 'keys', 'k'), attempt(os.rename, 'deep', 'd'), attempt(os.rename, 'deep/er', 'deep/d'), tricks('plain'), tricks('deep/er/cert.pem'))
            """,
            cancellationToken)).Should().Be("[] '' '' ENOENT\nEROFS EBUSY EBUSY EBUSY EBUSY [] []");
        await EndAsync(host, cancellationToken);
        (await File.ReadAllTextAsync(Path.Combine(_source, "keys/id"), cancellationToken)).Should().Be("k");
    }

    [Test]
    public async Task Only_what_is_allowed_is_written_and_denials_beat_it(CancellationToken cancellationToken)
    {
        Give("out/keep/x", "x");
        Give("out/a.lock", "l");
        Own();
        var host = await ProvisionAsync(cancellationToken, Mount() with { AllowWrite = ["out", "sub/b.txt"], DenyWrite = ["out/keep/", "**/*.lock", "out/.env"] });
        await using var kernel = await KernelAsync(host, cancellationToken);
        (await kernel.RunAsync(
            """
            print(attempt(write, 'out/new'), attempt(write, 'sub/b.txt'), attempt(write, 'a.txt'), attempt(write, 'sub/c'), attempt(write, 'out/keep/x'), attempt(write, 'out/keep/y'))
            print(tricks('out/a.lock'), attempt(os.rename, 'out/keep', 'out/kept'), attempt(os.rename, 'out', 'o'), attempt(write, 'out/.env'), attempt(os.mkdir, 'out/.git'), attempt(write, 'out/.bashrc'))
            """,
            cancellationToken)).Should().Be("did it did it EROFS EROFS EROFS EROFS\n[] EBUSY EROFS EROFS EEXIST EROFS");
        await EndAsync(host, cancellationToken);
    }

    [Test]
    public async Task Protected_names_are_never_written_whether_they_exist_or_not(CancellationToken cancellationToken)
    {
        Give(".git/config", "c");
        Give(".git/HEAD", "ref");
        Give("x/y/.git/hooks/pre-commit", "h");
        Give(".bashrc", "b");
        Give("x/.vscode/tasks.json", "{}");
        Give(".claude/settings.json", "{}");
        Sh($"ln -s a.txt '{_source}/.profile'");
        Own();
        var before = Listing();
        var host = await ProvisionAsync(cancellationToken, Mount());
        await using var kernel = await KernelAsync(host, cancellationToken);
        (await kernel.RunAsync(
            """
            bad = [(p, t) for p in ('.git/config', '.bashrc') if (t := tricks(p))]
            for path in ('.gitconfig', '.gitmodules', '.bash_profile', '.zshrc', '.zprofile', '.profile', '.ripgreprc', '.mcp.json', '.git/hooks/post-checkout', '.vscode/tasks.json', 'x/.vscode/tasks.json',
                         '.idea/x', '.claude/commands/x.md', '.claude/agents/x.md', 'x/y/.git/hooks/pre-commit', 'x/y/.git/hooks/new', 'x/y/.git/config'):
                for what, done in {'write': attempt(write, path), 'unlink': attempt(os.unlink, path)}.items():
                    if done == 'did it': bad.append((path, what))
            for folder in ('.git', '.git/hooks', 'x', 'x/y', 'x/y/.git', 'x/y/.git/hooks', '.claude', '.claude/commands', '.vscode', 'x/.vscode'):
                for what, done in {
                    'rename': attempt(os.rename, folder, 'moved'), 'remove': attempt(os.rmdir, folder),
                    'exchange': 'did it' if ctypes.CDLL(None, use_errno=True).renameat2(-100, folder.encode(), -100, b'sub', 2) == 0 else 'no',
                }.items():
                    if done == 'did it': bad.append((folder, what))
            print(bad)
            print(attempt(write, '.git/HEAD'), attempt(write, '.git/index.lock'), attempt(os.rename, '.git/index.lock', '.git/index'), attempt(write, '.claude/settings.json'), attempt(write, 'x/new'))
            """,
            cancellationToken)).Should().Be("[]\ndid it did it did it did it did it");
        await EndAsync(host, cancellationToken);
        Sh($"cd '{_source}'; rm .git/index x/new; printf ref > .git/HEAD; printf '{{}}' > .claude/settings.json");
        Listing().Should().Be(before);
    }

    [Test]
    public async Task Two_sandboxes_share_the_taken_names_until_the_last_has_ended(CancellationToken cancellationToken)
    {
        var before = Listing();
        var first = await ProvisionAsync(cancellationToken, Mount());
        var second = await ProvisionAsync(cancellationToken, Mount());
        await using var kernel = await KernelAsync(second, cancellationToken);
        await EndAsync(first, cancellationToken);
        (await kernel.RunAsync("print(attempt(write, '.bashrc'), attempt(os.mkdir, '.git'), attempt(write, '.git/config'), attempt(write, 'a.txt'))", cancellationToken)).Should().Be("EROFS EEXIST EROFS did it");
        await EndAsync(second, cancellationToken);
        Sh($"printf a > '{_source}/a.txt'");
        Listing().Should().Be(before);
    }

    [Test]
    public async Task What_the_operator_puts_in_the_place_of_a_taken_name_stays(CancellationToken cancellationToken)
    {
        var host = await ProvisionAsync(cancellationToken, Mount());
        Sh($"printf mine > '{_source}/.mcp.json'; chmod 600 '{_source}/.mcp.json'");
        await EndAsync(host, cancellationToken);
        (await File.ReadAllTextAsync(Path.Combine(_source, ".mcp.json"), cancellationToken)).Should().Be("mine");
    }

    [Test]
    public async Task Set_id_bits_and_devices_gain_nothing(CancellationToken cancellationToken)
    {
        Sh($"cp /usr/bin/id '{_source}/id'; chown {Owner} '{_source}/id'; chmod 6755 '{_source}/id'; mknod -m 666 '{_source}/null' c 1 3");
        var host = await ProvisionAsync(cancellationToken, Mount());
        await using var kernel = await KernelAsync(host, cancellationToken);
        (await kernel.RunAsync(
            """
            libc = ctypes.CDLL(None, use_errno=True)
            print(os.popen('./id -u; ./id -ru').read().split(), attempt(open, 'null', 'r'))
            write('mine'); os.chmod('mine', 0o755)
            tried = [attempt(os.chmod, 'mine', mode) for mode in (0o4755, 0o2755, 0o6755)] + [attempt(os.open, f'new{mode:o}', os.O_CREAT | os.O_WRONLY, mode) for mode in (0o4755, 0o2755)]
            fd = os.open('mine', os.O_RDONLY); tried.append(attempt(os.fchmod, fd, 0o4755)); tried.append(attempt(os.mknod, 'node', 0o104755))
            print(set(tried), libc.syscall(437, -100, b'mine', None, 0), ctypes.get_errno(), attempt(os.mknod, 'dev', 0o20666, os.makedev(1, 3)))
            print([n for n in os.listdir() if n != 'id' and os.lstat(n).st_mode & 0o6000])
            """,
            cancellationToken)).Should().Be("['1000', '1000'] EACCES\n{'EPERM'} -1 38 EPERM\n[]");
        await EndAsync(host, cancellationToken);
    }

    [Test]
    public async Task The_API_of_files_obeys_the_same_rules(CancellationToken cancellationToken)
    {
        Give("hidden", "h");
        Give(".bashrc", "b");
        Own();
        var host = await ProvisionAsync(cancellationToken, Mount() with { DenyRead = ["hidden"] });
        var files = ((IFileHost)host).Files;
        (await files.ReadTextAsync("/data/a.txt", cancellationToken)).Should().Be("a");
        (await files.ReadTextAsync("/data/hidden", cancellationToken)).Should().BeEmpty();
        await files.WriteTextAsync("/data/new", "n", cancellationToken);
        Sh($"stat -c %u '{_source}/new'").Should().Be($"{Owner}\n");
        foreach (var path in new[] { "/data/.bashrc", "/data/hidden", "/data/.gitconfig" })
        {
            (await files.Awaiting(it => it.WriteTextAsync(path, "x", cancellationToken)).Should().ThrowAsync<GatewayException>("of {0}", path)).Which.Code.Should().NotBe(ErrorCode.KernelFailed);
        }

        (await File.ReadAllTextAsync(Path.Combine(_source, ".bashrc"), cancellationToken)).Should().Be("b");
        await EndAsync(host, cancellationToken);
    }

    [Test]
    public async Task The_posture_knows_the_mounts_and_another_gateway_finds_them_again(CancellationToken cancellationToken)
    {
        Give("x/.git/config", "c");
        Own();
        var host = await ProvisionAsync(cancellationToken, Mount() with { DenyRead = ["sub/b.txt"] });
        await host.LaunchKernelAsync(TestKernels.Python("k1"), cancellationToken);
        var description = host.Describe();
        var place = LauncherState.Read(description, "local");
        var options = Options();
        var site = await OciProvisionerTests.SiteAsync(options);
        var sandbox = site.Find(description.SandboxId, place.PlaceNumber("slot"));
        site.MountsOf(sandbox).Select(mount => mount.Destination).Should().Contain(["/data", "/data/x/.git", "/data/x/.git/config", "/data/sub/b.txt", "/data/.bashrc"]);
        new OciPosture(options, site, sandbox, TestKernels.Limits).Deviations(place.PlaceNumber("pid"), 900).Should().BeEmpty();
        await host.DisposeAsync();

        using var other = OciProvisionerTests.CreateWith(Options());
        var again = await other.ReattachAsync(description, cancellationToken);
        await using (var kernel = await RunningKernel.ConnectAsync(again.Kernels.Single(), cancellationToken))
        {
            await kernel.RunAsync(Helpers, cancellationToken);
            (await kernel.RunAsync("print(read('a.txt'), repr(read('sub/b.txt')), tricks('x/.git/config'), attempt(write, '.zshrc'))", cancellationToken)).Should().Be("a '' [] EROFS");
        }

        await again.TerminateAsync(TimeSpan.Zero, cancellationToken);
    }

    [TestCase("local.placeholders_made")]
    [TestCase("local.host_folder_mounted")]
    [TestCase("local.container_started")]
    public async Task A_failure_on_the_way_leaves_the_folder_as_it_was(string point, CancellationToken cancellationToken)
    {
        var before = Listing();
        Fault.Arm($"{point}:throw-io");
        (await this.Awaiting(it => it.ProvisionAsync(cancellationToken, Mount())).Should().ThrowAsync<GatewayException>()).Which.Message.Should().Contain(point);
        Listing().Should().Be(before);
    }

    [TestCase("local.container_removed")]
    [TestCase("local.disks_detached")]
    public async Task What_a_gateway_that_was_killed_has_left_is_swept_and_the_folder_is_whole(string point, CancellationToken cancellationToken)
    {
        var before = Listing();
        var host = await ProvisionAsync(cancellationToken, Mount());
        Fault.Arm($"{point}:throw-io");
        await host.Awaiting(it => it.TerminateAsync(TimeSpan.Zero, cancellationToken)).Should().ThrowAsync<IOException>();
        await LetGoAsync(host);
        Listing().Should().NotBe(before);
        Fault.Arm(null);
        using var next = OciProvisionerTests.CreateWith(Options());
        (await next.RemoveOrphansAsync(new HashSet<string>(), cancellationToken)).Should().Equal(host.Describe().SandboxId);
        Listing().Should().Be(before);
    }

    [Test]
    public async Task A_source_that_cannot_be_mounted_is_refused_and_its_path_is_not_told()
    {
        Give("link/x", "x");
        Sh($"ln -s '{_source}' '{_source}-link'; mkdir '{_source}-root'");
        await RefusedAsync(Mount() with { Source = _source + "/absent" }, "No such file or directory");
        await RefusedAsync(Mount() with { Source = _source + "/a.txt" }, "Not a directory");
        await RefusedAsync(Mount() with { Source = _source + "-link" }, "symbolic links");
        await RefusedAsync(Mount() with { Source = _source + "-link/sub" }, "symbolic links");
        await RefusedAsync(Mount() with { Source = _source + "-root" }, "belongs to root");
        await RefusedAsync(Mount() with { Source = State, Access = "read" }, "of the gateway itself");
        await RefusedAsync(Mount() with { Source = Path.GetDirectoryName(Repository.Launcher)!, Access = "read" }, "of the gateway itself");
        await RefusedAsync(Mount() with { AllowWrite = ["absent"] }, "AllowWrite");
        Sh($"ln -s sub '{_source}/alias'");
        await RefusedAsync(Mount() with { DenyRead = ["alias/b.txt"] }, "symbolic link");
        await RefusedAsync(Mount() with { DenyWrite = ["alias"] }, "symbolic link");
        await RefusedAsync(Mount() with { AllowWrite = ["alias"] }, "symbolic link");
        Sh($"mkdir '{_source}-net'; mount -t proc proc '{_source}-net'");
        try
        {
            await RefusedAsync(Mount() with { Source = _source + "-net", Access = "read" }, "cannot map owners");
        }
        finally
        {
            Sh($"umount '{_source}-net'");
        }
    }

    [Test]
    public async Task More_names_than_can_be_looked_through_are_refused()
    {
        Sh($"mkdir '{_source}/many'; cd '{_source}/many'; seq 100100 | xargs touch");
        await RefusedAsync(Mount() with { DenyRead = ["**/x"] }, $"more than {FolderSurvey.MaxEntries}");
    }

    [Test]
    public async Task More_rules_than_can_be_mounted_are_refused()
    {
        Sh($"mkdir '{_source}/many'; cd '{_source}/many'; seq 1100 | xargs touch");
        await RefusedAsync(Mount() with { DenyRead = ["many/*"] }, "mounts, more than 1024");
    }

    [Test]
    public async Task Twenty_lives_leave_nothing(CancellationToken cancellationToken)
    {
        Give(".git/config", "c");
        Own();
        async Task LiveAsync()
        {
            var host = await ProvisionAsync(cancellationToken, Mount(), Mount() with { Target = "/workspace/ro", Access = "read" });
            await EndAsync(host, cancellationToken);
            await host.DisposeAsync();
        }

        await LiveAsync();
        await LiveAsync();
        var before = Listing();
        var descriptors = HostTraces.FileDescriptors();
        var mounts = (await File.ReadAllLinesAsync("/proc/self/mountinfo", cancellationToken)).Length;
        for (var i = 0; i < 20; i++)
        {
            await LiveAsync();
        }

        HostTraces.FileDescriptors().Should().BeLessThan(descriptors + 10);
        (await File.ReadAllLinesAsync("/proc/self/mountinfo", cancellationToken)).Length.Should().BeLessThanOrEqualTo(mounts + 10, "others may mount meanwhile, but each life mounts more");
        Listing().Should().Be(before);
    }

    [Test]
    public void No_target_may_be_in_a_folder_that_the_sandboxs_system_uses()
    {
        var reserved = RootTree.SystemFolders.Where(name => !name.Contains('/', StringComparison.Ordinal)).Concat(RootTree.SystemLinks).Append("root");
        foreach (var name in reserved)
        {
            var options = new HostMountOptions();
            options.Environments["e"] = new EnvironmentMounts { Mounts = [new HostMount { Source = "/data", Target = $"/{name}/x" }] };
            new HostMountOptionsValidator(Microsoft.Extensions.Options.Options.Create(new Core.Sandboxes.DataOptions())).Validate(null, options).Failed.Should().BeTrue("of {0}", name);
        }
    }

    private static string Sh(string script)
    {
        using var sh = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("/bin/sh", ["-ec", script]) { RedirectStandardOutput = true })!;
        var text = sh.StandardOutput.ReadToEnd();
        sh.WaitForExit();
        sh.ExitCode.Should().Be(0, script);
        return text;
    }

    /// <summary>Everything in the folder: type, mode, owner, size, name and content.</summary>
    private string Listing() => Sh($"cd '{_source}'; find . -printf '%y %m %U %G %p %l\\n' | sort; find . -type f -print0 | sort -z | xargs -0 md5sum");

    private void Give(string path, string content)
    {
        var full = Path.Combine(_source, path);
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        File.WriteAllText(full, content);
    }

    private void Own() => Sh($"chown -hR {Owner}:{Owner} '{_source}'");

    private HostMount Mount() => new() { Source = _source, Target = "/data", Access = "write" };

    private Task<IKernelHost> ProvisionAsync(CancellationToken cancellationToken, params HostMount[] mounts)
    {
        var spec = TestKernels.Spec($"m{++_number}");
        return ProvisionAsync(spec with { Environment = spec.Environment with { Mounts = mounts } }, cancellationToken);
    }

    private static async Task<RunningKernel> KernelAsync(IKernelHost host, CancellationToken cancellationToken)
    {
        var kernel = await RunningKernel.LaunchAsync(host, TestKernels.Python("k1"), cancellationToken);
        (await kernel.RunAsync(Helpers, cancellationToken)).Should().BeEmpty();
        return kernel;
    }

    private async Task RefusedAsync(HostMount mount, string says)
    {
        var refused = (await this.Awaiting(it => it.ProvisionAsync(CancellationToken.None, mount)).Should().ThrowAsync<GatewayException>("of {0}", says)).Which;
        refused.Code.Should().Be(ErrorCode.HostNotReady);
        refused.Message.Should().Contain(says).And.Contain("'/data'").And.Contain("Gateway:Environments:test-env:Mounts:0").And.NotContain(Folder);
    }
}
