using KernelGateway.Core.Errors;
using KernelGateway.Core.Faults;
using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Launcher;
using KernelGateway.Provisioners.Oci;
using KernelGateway.Provisioners.Tests.Support;

namespace KernelGateway.Provisioners.Tests.Oci;

/// <summary>The disks of sandboxes: what may be written, how much of it, and that nothing is left.</summary>
[NonParallelizable]
[CancelAfter(120_000)]
public sealed class SandboxDiskTests() : LocalSandboxFixture("disk", 0x6000)
{
    private const string Helpers =
        """
        import errno, os, socket
        def attempt(f, *a, **k):
            try:
                f(*a, **k)
                return 'did it'
            except OSError as e:
                return errno.errorcode.get(e.errno, str(e))
        """;

    private int _number;

    [Test]
    public async Task R08_A_full_disk_is_an_ordinary_error_and_the_kernel_can_still_say_so(CancellationToken cancellationToken)
    {
        var host = await ProvisionAsync(64L << 20, 4096, cancellationToken);
        await using var kernel = await RunningKernel.LaunchAsync(host, TestKernels.Python("k1"), cancellationToken);
        host.MeasureDisk()!.TotalBytes.Should().BeInRange(56L << 20, 64L << 20);
        (await kernel.RunAsync("with open('/workspace/f', 'wb') as f:\n    while True: f.write(b'x' * (1 << 20))", cancellationToken))
            .Should().Contain("ERROR OSError").And.Contain("No space left on device");
        (await kernel.RunAsync("print(6 * 7)", cancellationToken)).Should().Be("42", "logs and sockets lie on another disk");
        var use = host.MeasureDisk()!;
        (use.TotalBytes - use.UsedBytes).Should().BeLessThan(4 << 20, "the file system keeps a fiftieth for itself");
        Allocated(Image(host, "disk.img")).Should().BeLessThanOrEqualTo(64L << 20);
        (await kernel.RunAsync("import os; os.remove('/workspace/f'); open('/workspace/g', 'w').write('x'); print('again')", cancellationToken)).Should().Be("again");
        await host.TerminateAsync(TimeSpan.Zero, cancellationToken);
    }

    [Test]
    public async Task R10_Files_without_number_and_folders_without_end_stop_at_the_inodes_and_are_gone_at_once(CancellationToken cancellationToken)
    {
        var host = await ProvisionAsync(64L << 20, 4096, cancellationToken);
        await using var kernel = await RunningKernel.LaunchAsync(host, TestKernels.Python("k1"), cancellationToken);
        await kernel.RunAsync(Helpers, cancellationToken);
        (await kernel.RunAsync(
            """
            def flood():
                for i in range(1_000_000): open(f'/data/{i}', 'w').close()
            os.mkdir('/data')
            print(attempt(flood), 3000 < len(os.listdir('/data')) < 4200)
            for n in os.listdir('/data'): os.remove('/data/' + n)
            def dig():
                for i in range(1_000_000):
                    os.mkdir('d' * 200); os.chdir('d' * 200)
            os.chdir('/data')
            print(attempt(dig))
            """,
            cancellationToken)).Should().Be("ENOSPC True\nENOSPC");
        var started = System.Diagnostics.Stopwatch.StartNew();
        await host.TerminateAsync(TimeSpan.Zero, cancellationToken);
        started.Elapsed.Should().BeLessThan(TimeSpan.FromSeconds(5), "an image is removed, not what is in it");
    }

    [Test]
    public async Task Logs_and_sockets_are_no_way_round_the_quota(CancellationToken cancellationToken)
    {
        var host = await ProvisionAsync(64L << 20, 4096, cancellationToken);
        await using var kernel = await RunningKernel.LaunchAsync(host, TestKernels.Python("k1"), cancellationToken);
        await kernel.RunAsync(Helpers, cancellationToken);
        // A thread, because a kernel whose log cannot be written says nothing; it tidies up so that it can again.
        (await kernel.RunAsync(
            """
            def fill(folder):
                for i in range(1000):
                    with open(f'{folder}/x{i}', 'wb') as f:
                        for _ in range(200): f.write(b'x' * (1 << 20))
            out = []
            for folder in ('/run/kg/log', '/run/kg/s'):
                out.append(attempt(fill, folder))
                used = sum(os.stat(f'{folder}/{n}').st_blocks * 512 for n in os.listdir(folder) if n[0] == 'x')
                out.append(150 << 20 < used < 256 << 20)
                for n in os.listdir(folder):
                    if n[0] == 'x': os.remove(f'{folder}/{n}')
                out.append(attempt(lambda: [open(f'{folder}/x{i}', 'w').close() for i in range(100_000)]))
                for n in os.listdir(folder):
                    if n[0] == 'x': os.remove(f'{folder}/{n}')
            print(out)
            """,
            cancellationToken)).Should().Be("['ENOSPC', True, 'ENOSPC', 'ENOSPC', True, 'ENOSPC']");
        await host.TerminateAsync(TimeSpan.Zero, cancellationToken);
    }

    [Test]
    public async Task What_the_first_processes_say_cannot_fill_the_hosts_disk(CancellationToken cancellationToken)
    {
        var host = await ProvisionAsync(64L << 20, 4096, cancellationToken);
        var init = LauncherState.Read(host.Describe(), "local").PlaceNumber("pid");
        // As a process would that has taken over pid 1: its own standard error, without the limits of processes inside.
        var words = new byte[1 << 20];
        var written = 0L;
        var end = new Func<Task>(async () =>
        {
            await using var stderr = new FileStream($"/proc/{init}/fd/2", FileMode.Append, FileAccess.Write, FileShare.ReadWrite, 0);
            for (; written < 4L << 30; written += words.Length)
            {
                await stderr.WriteAsync(words, cancellationToken);
            }
        });
        (await end.Should().ThrowAsync<IOException>()).Which.Message.Should().Contain("No space left");
        written.Should().BeLessThan(256L << 20);
        await host.TerminateAsync(TimeSpan.Zero, cancellationToken);
    }

    [Test]
    public async Task Everything_at_the_top_that_is_not_the_systems_can_be_written(CancellationToken cancellationToken)
    {
        var host = await ProvisionAsync(64L << 20, 4096, cancellationToken);
        await using var kernel = await RunningKernel.LaunchAsync(host, TestKernels.Python("k1"), cancellationToken);
        await kernel.RunAsync(Helpers, cancellationToken);
        (await kernel.RunAsync(
            """
            def use(path):
                os.makedirs(path, exist_ok=True)
                with open(path + '/f', 'w') as f: f.write('x')
                os.rename(path + '/f', path + '/g'); os.chmod(path + '/g', 0o755); os.remove(path + '/g')
            print({attempt(use, p) for p in ('/workspace', '/data', '/remote/a/b', '/home/me', '/opt/x', '/mnt', '/srv')})
            open('/workspace/run.sh', 'w').write('#!/bin/sh\necho ran')
            os.chmod('/workspace/run.sh', 0o755)
            print(os.popen('/workspace/run.sh').read().strip())
            """,
            cancellationToken)).Should().Be("{'did it'}\nran");
        await host.TerminateAsync(TimeSpan.Zero, cancellationToken);
    }

    [Test]
    public async Task The_systems_folders_and_links_cannot_be_changed_moved_or_shadowed(CancellationToken cancellationToken)
    {
        var host = await ProvisionAsync(64L << 20, 4096, cancellationToken);
        await using var kernel = await RunningKernel.LaunchAsync(host, TestKernels.Python("k1"), cancellationToken);
        await kernel.RunAsync(Helpers, cancellationToken);
        (await kernel.RunAsync(
            """
            system = ['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32', 'boot', 'usr', 'etc', 'proc', 'dev', 'sys', 'tmp', 'run', 'run/kg', 'run/kg/s', 'run/kg/log', 'run/kg/net',
                      'run/kg/launcher', 'var', 'root']
            bad = []
            for name in system:
                path = '/' + name
                for what, done in {
                    'rename': attempt(os.rename, path, '/workspace/gone'),
                    'replace': attempt(os.rename, '/workspace', path),
                    'unlink': attempt(os.unlink, path),
                    'rmdir': attempt(os.rmdir, path),
                    'mkdir': attempt(os.mkdir, path),
                    'symlink': attempt(os.symlink, '/workspace', path),
                    'chmod': attempt(os.chmod, path, 0o777),
                    'chown': attempt(os.chown, path, 1000, 1000, follow_symlinks=False),
                }.items():
                    # The folders of the sockets and logs are the kernel's own; that they can be closed hurts nobody else.
                    if done == 'did it' and not (name in ('run/kg/s', 'run/kg/log') and what in ('chmod', 'chown')):
                        bad.append((name, what))
            for folder in ('boot', 'sys', 'run', 'run/kg', 'var', 'usr', 'usr/bin', 'etc', 'bin', 'lib', 'lib32', 'root', 'dev', 'proc', 'run/kg/launcher'):
                if attempt(open, f'/{folder}/evil', 'w') == 'did it': bad.append((folder, 'create'))
            print(bad)
            print(attempt(os.chmod, '/', 0o777), attempt(os.rename, '/', '/x'), attempt(os.link, '/bin/sh', '/workspace/sh'))
            st = os.stat('/')
            print(oct(st.st_mode & 0o7777), st.st_uid, os.readlink('/bin'))
            """,
            cancellationToken)).Should().Be("[]\nEPERM EBUSY EXDEV\n0o1777 0 usr/bin");
        await host.TerminateAsync(TimeSpan.Zero, cancellationToken);
    }

    [Test]
    public async Task The_disk_takes_no_set_id_bits_and_no_devices_and_lives_as_long_as_the_sandbox(CancellationToken cancellationToken)
    {
        var host = await ProvisionAsync(64L << 20, 4096, cancellationToken);
        await using (var kernel = await RunningKernel.LaunchAsync(host, TestKernels.Python("k1"), cancellationToken))
        {
            (await kernel.RunAsync("print([l.split()[3] for l in open('/proc/mounts') if l.split()[1] == '/'])", cancellationToken)).Should().Contain("rw,nosuid,nodev");
            await kernel.RunAsync("open('/data', 'w').write('kept')", cancellationToken);
        }

        var description = host.Describe();
        await host.DisposeAsync();

        // Another gateway finds the disk as it is.
        using var other = OciProvisionerTests.CreateWith(Options());
        var again = await other.ReattachAsync(description, cancellationToken);
        await using (var kernel = await RunningKernel.ConnectAsync(again.Kernels.Single(), cancellationToken))
        {
            (await kernel.RunAsync("print(open('/data').read())", cancellationToken)).Should().Be("kept");
        }

        again.MeasureDisk().Should().NotBeNull();
        again.RunsOn.Should().Be("host");
        await again.TerminateAsync(TimeSpan.Zero, cancellationToken);
        again.MeasureDisk().Should().BeNull();
    }

    [Test]
    public async Task A_failure_between_any_two_steps_leaves_nothing(
        [Values("local.slot_taken", "local.folders_made", "local.disk_made", "local.disk_mounted", "local.disks_mounted", "local.bundle_written", "local.container_started")] string point,
        CancellationToken cancellationToken)
    {
        Fault.Arm($"{point}:throw-io");
        (await Provisioner.Invoking(it => it.ProvisionAsync(Spec(64L << 20, 4096), cancellationToken)).Should().ThrowAsync<GatewayException>())
            .Which.Message.Should().Contain(point);
        HostTraces.LoopDevices(State).Should().BeEmpty();
    }

    [Test]
    public async Task A_removal_that_fails_half_way_is_finished_by_the_sweep(
        [Values("local.container_removed", "local.disks_detached")] string point, CancellationToken cancellationToken)
    {
        var spec = Spec(64L << 20, 4096);
        var host = await Provisioner.ProvisionAsync(spec, cancellationToken);
        Fault.Arm($"{point}:throw-io");
        await host.Invoking(it => it.TerminateAsync(TimeSpan.Zero, cancellationToken)).Should().ThrowAsync<IOException>();
        await host.DisposeAsync();
        HostTraces.Find(State, Parent).Should().NotBeEmpty();
        Fault.Arm(null);
        using var next = OciProvisionerTests.CreateWith(Options());
        (await next.RemoveOrphansAsync(new HashSet<string>(), cancellationToken)).Should().Equal(spec.SandboxId);
        HostTraces.LoopDevices(State).Should().BeEmpty();
    }

    [TestCase(8L << 20, 1024, "diskBytes")]
    [TestCase(64L << 20, 64, "diskInodes")]
    [TestCase(64L << 20, 100_000, "diskInodes")]
    public async Task A_disk_that_cannot_be_is_refused(long bytes, long inodes, string field, CancellationToken cancellationToken) =>
        (await Provisioner.Invoking(it => it.ProvisionAsync(Spec(bytes, inodes), cancellationToken)).Should().ThrowAsync<GatewayException>())
            .Which.Should().Match<GatewayException>(it => it.Code == ErrorCode.InvalidArgument && it.Field == $"limits.{field}");

    [Test]
    public async Task Without_quota_it_works_and_is_called_weaker(CancellationToken cancellationToken)
    {
        var options = Options();
        options.DiskQuota = false;
        using var provisioner = OciProvisionerTests.CreateWith(options);
        var ready = await provisioner.CheckAsync(cancellationToken);
        ready.Reason.Should().BeNull();
        ready.Details["diskQuota"].Should().Contain("can fill the host's disk");
        var host = await provisioner.ProvisionAsync(Spec(64L << 20, 4096), cancellationToken);
        await using var kernel = await RunningKernel.LaunchAsync(host, TestKernels.Python("k1"), cancellationToken);
        (await kernel.RunAsync("open('/data', 'wb').write(b'x' * (100 << 20)); print([l.split()[3] for l in open('/proc/mounts') if l.split()[1] == '/'])", cancellationToken))
            .Should().Contain("rw,nosuid,nodev");
        host.MeasureDisk().Should().BeNull();
        await host.TerminateAsync(TimeSpan.Zero, cancellationToken);
    }

    [Test]
    public async Task Forty_lives_leave_mounts_groups_processes_descriptors_loop_devices_and_ids_as_they_were(CancellationToken cancellationToken)
    {
        async Task LiveAsync()
        {
            var host = await Provisioner.ProvisionAsync(Spec(64L << 20, 4096), cancellationToken);
            await host.LaunchKernelAsync(TestKernels.Script("k1", "exec sleep 600"), cancellationToken);
            await host.TerminateAsync(TimeSpan.Zero, cancellationToken);
            await host.DisposeAsync();
        }

        // The first ones open what stays open: the thread pool's, the watcher's.
        await LiveAsync();
        await LiveAsync();
        var descriptors = HostTraces.FileDescriptors();
        var mounts = (await File.ReadAllLinesAsync("/proc/self/mountinfo", cancellationToken)).Length;
        for (var i = 0; i < 40; i++)
        {
            await LiveAsync();
        }

        HostTraces.FileDescriptors().Should().BeLessThan(descriptors + 10, "each life opens more than one, and all are given back");
        (await File.ReadAllLinesAsync("/proc/self/mountinfo", cancellationToken)).Length.Should().BeLessThanOrEqualTo(mounts + 10, "others may mount meanwhile, but each life mounts two");
        HostTraces.LoopDevices(State).Should().BeEmpty();
        Directory.EnumerateFileSystemEntries(Path.Combine(State, "slots")).Should().BeEmpty();
        HostTraces.Find(State, Parent).Should().BeEmpty();
    }

    private HostSpec Spec(long bytes, long inodes) =>
        TestKernels.Spec($"d{Interlocked.Increment(ref _number)}", limits: TestKernels.Limits with { DiskBytes = bytes, DiskInodes = inodes });

    private Task<IKernelHost> ProvisionAsync(long bytes, long inodes, CancellationToken cancellationToken) => ProvisionAsync(Spec(bytes, inodes), cancellationToken);

    private string Image(IKernelHost host, string name) => Path.Combine(State, "sandboxes", host.Describe().SandboxId, name);

    /// <summary>What a sparse file takes on the host.</summary>
    private static long Allocated(string path)
    {
        using var du = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("/usr/bin/du", ["-B1", path]) { RedirectStandardOutput = true })!;
        var text = du.StandardOutput.ReadToEnd();
        du.WaitForExit();
        return long.Parse(text.Split('\t')[0], System.Globalization.CultureInfo.InvariantCulture);
    }
}
