using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Containers;
using KernelGateway.Provisioners.Oci;
using KernelGateway.Provisioners.Tests.Support;

namespace KernelGateway.Provisioners.Tests.Oci;

/// <summary>Hosts that lack something, and runtimes that fail.</summary>
[NonParallelizable]
[CancelAfter(60_000)]
public sealed class OciHostTests() : FreshHostFixture("need", 0x4000)
{
    [Test]
    public async Task A_host_that_has_everything_says_with_what(CancellationToken cancellationToken)
    {
        using var provisioner = OciProvisionerTests.CreateWith(Settings);
        var ready = await provisioner.CheckAsync(cancellationToken);
        ready.Reason.Should().BeNull();
        ready.Ready.Should().BeTrue();
        ready.Details["runtimeVersion"].Should().StartWith("runc version");
        ready.Details["cgroupVersion"].Should().BeOneOf("1", "2");
    }

    [TestCase(nameof(OciProvisionerOptions.RuntimePath), "/no/such/runc", "Gateway:Local:RuntimePath")]
    [TestCase(nameof(OciProvisionerOptions.RuntimePath), "no-such-runc", "apt install runc")]
    [TestCase(nameof(OciProvisionerOptions.TiniPath), "/usr/no/tini", "apt install tini")]
    [TestCase(nameof(OciProvisionerOptions.PythonPath), "/usr/no/python", "Gateway:Local:PythonPath")]
    [TestCase(nameof(OciProvisionerOptions.PythonPath), "/usr/bin/true", null)]
    [TestCase(nameof(OciProvisionerOptions.PythonPath), "/usr/bin/false", "apt install python3-ipykernel")]
    [TestCase(nameof(OciProvisionerOptions.LauncherFolder), "/no/launcher", "Gateway:Local:LauncherFolder")]
    public async Task What_is_missing_is_named_with_the_way_to_get_it(string setting, string value, string? hint, CancellationToken cancellationToken)
    {
        typeof(OciProvisionerOptions).GetProperty(setting)!.SetValue(Settings, value);
        using var provisioner = OciProvisionerTests.CreateWith(Settings);
        var ready = await provisioner.CheckAsync(cancellationToken);
        ready.Ready.Should().BeFalse();
        ready.Reason.Should().Contain(hint ?? "trial container");
        (await provisioner.Invoking(it => it.ProvisionAsync(TestKernels.Spec("s1"), cancellationToken)).Should().ThrowAsync<GatewayException>())
            .Which.Should().Match<GatewayException>(it => it.Code == ErrorCode.HostNotReady && it.Message.Contains(hint ?? "trial container"));
    }

    [TestCase("/usr/bin/crun", "hybrid"), TestCase("/usr/bin/runsc", "not supported yet")]
    public async Task Another_runtime_works_or_says_why_it_does_not(string runtime, string why, CancellationToken cancellationToken)
    {
        Requires.Program(runtime);
        Settings.RuntimePath = runtime;
        using var provisioner = OciProvisionerTests.CreateWith(Settings);
        var ready = await provisioner.CheckAsync(cancellationToken);
        if (!ready.Ready)
        {
            ready.Reason.Should().Contain(why).And.Contain("Gateway:Local:RuntimePath");
        }
    }

    [TestCase(false, true, "modprobe loop"), TestCase(true, false, "apt install e2fsprogs")]
    public void A_host_that_cannot_make_disks_says_so_and_names_the_weaker_mode(bool loops, bool maker, string hint) =>
        SandboxDisks.FindMissing(loops, maker, "Gateway:Local:DiskQuota").Should().Contain(hint).And.Contain("Gateway:Local:DiskQuota to false");

    [Test]
    public async Task A_way_to_the_state_folder_that_sandboxes_cannot_go_is_named(CancellationToken cancellationToken)
    {
        var closed = Path.Combine(Folder, "closed");
        Directory.CreateDirectory(closed, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        Settings.StateFolder = Path.Combine(closed, "h");
        using (var provisioner = OciProvisionerTests.CreateWith(Settings))
        {
            (await provisioner.CheckAsync(cancellationToken)).Reason.Should().Contain($"'{closed}'").And.Contain("chmod o+x");
        }

        // Below the gateway's own data directory it may open the way itself.
        Settings.DataDirectory = closed;
        using var own = OciProvisionerTests.CreateWith(Settings);
        (await own.CheckAsync(cancellationToken)).Reason.Should().BeNull();
        File.GetUnixFileMode(closed).Should().Be(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.OtherExecute);
    }

    [TestCase("echo 'no containers today' >&2; exit 1", "no containers today")]
    [TestCase("printf '\\033]0;x\\007garb\\001age' >&2; exit 1", "garb·age")]
    [TestCase("exit 1", "said nothing")]
    [TestCase("head -c 100000000 /dev/zero | tr '\\0' x >&2; echo the-end >&2; exit 1", "the-end")]
    [TestCase("echo runc; exit 0", "pid")]
    [TestCase("kill -9 $$", "exit code 137")]
    public async Task A_runtime_that_fails_to_start_a_container_is_quoted(string script, string words, CancellationToken cancellationToken)
    {
        Settings.RuntimePath = await WriteRuntimeAsync(script, onlyFor: "run", cancellationToken);
        using var provisioner = OciProvisionerTests.CreateWith(Settings);
        var ready = await provisioner.CheckAsync(cancellationToken);
        ready.Ready.Should().BeFalse();
        ready.Reason.Should().Contain(words).And.NotContain("\u001b");
        ready.Reason!.Length.Should().BeLessThan(5000);
    }

    [Test]
    public async Task A_runtime_that_fails_at_everything_leaves_nothing(CancellationToken cancellationToken)
    {
        Settings.RuntimePath = await WriteRuntimeAsync("echo broken >&2; exit 1", onlyFor: "", cancellationToken);
        using var provisioner = OciProvisionerTests.CreateWith(Settings);
        (await provisioner.CheckAsync(cancellationToken)).Reason.Should().Contain("broken");
        (await provisioner.RemoveOrphansAsync(new HashSet<string>(), cancellationToken)).Should().BeEmpty("it cannot, and must not keep the gateway from starting");
    }

    [Test]
    public async Task A_runtime_that_fails_after_the_check_is_quoted_in_the_error(CancellationToken cancellationToken)
    {
        Settings.RuntimePath = await WriteRuntimeAsync($"if [ -e {Folder}/fail ]; then echo 'disk on fire' >&2; exit 3; fi", onlyFor: "run", cancellationToken);
        using var provisioner = OciProvisionerTests.CreateWith(Settings);
        (await provisioner.CheckAsync(cancellationToken)).Reason.Should().BeNull();
        await File.WriteAllTextAsync(Path.Combine(Folder, "fail"), "", cancellationToken);
        (await provisioner.Invoking(it => it.ProvisionAsync(TestKernels.Spec("s1"), cancellationToken)).Should().ThrowAsync<GatewayException>())
            .Which.Should().Match<GatewayException>(it => it.Code == ErrorCode.KernelFailed && it.Message.Contains("exit code 3: disk on fire"));
    }

    [Test]
    public async Task A_runtime_that_does_not_isolate_is_refused(CancellationToken cancellationToken)
    {
        // What a runtime that ignores a part of its configuration would do.
        const string Loosen = "for last; do :; done; b=$(echo \"$*\" | sed 's/.*--bundle \\([^ ]*\\).*/\\1/'); "
            + "/usr/bin/python3.11 -c \"import json,sys; p=sys.argv[1]+'/config.json'; c=json.load(open(p)); del c['linux']['seccomp']; c['process']['noNewPrivileges']=False; c['linux']['maskedPaths'].remove('/proc/kallsyms'); c['linux']['readonlyPaths']=[]; "
            + "[m['options'].remove('nr_inodes=16384') for m in c['mounts'] if m['destination']=='/tmp']; json.dump(c,open(p,'w'))\" \"$b\"";
        Settings.RuntimePath = await WriteRuntimeAsync(Loosen, onlyFor: "run", cancellationToken);
        using var provisioner = OciProvisionerTests.CreateWith(Settings);
        var ready = await provisioner.CheckAsync(cancellationToken);
        ready.Ready.Should().BeFalse();
        ready.Reason.Should().Contain("Seccomp is '0' instead of '2'").And.Contain("NoNewPrivs is '0' instead of '1'")
            .And.Contain("/proc/kallsyms is not masked").And.Contain("/proc/sys is not read-only").And.MatchRegex("/tmp has nr_inodes=\\d+ instead of nr_inodes=16384");
        (await provisioner.Invoking(it => it.ProvisionAsync(TestKernels.Spec("s1"), cancellationToken)).Should().ThrowAsync<GatewayException>())
            .Which.Code.Should().Be(ErrorCode.HostNotReady);
    }

    [Test]
    public async Task When_all_ranges_of_uids_are_taken_it_is_said(CancellationToken cancellationToken)
    {
        Settings.UidSlots = 1;
        using var provisioner = OciProvisionerTests.CreateWith(Settings);
        var host = await provisioner.ProvisionAsync(TestKernels.Spec("s1"), cancellationToken);
        (await provisioner.Invoking(it => it.ProvisionAsync(TestKernels.Spec("s2"), cancellationToken)).Should().ThrowAsync<GatewayException>())
            .Which.Should().Match<GatewayException>(it => it.Code == ErrorCode.LimitReached && it.Message.Contains("Gateway:Local:UidSlots"));
        await host.TerminateAsync(TimeSpan.Zero, cancellationToken);
        var next = await provisioner.ProvisionAsync(TestKernels.Spec("s2"), cancellationToken);
        await next.TerminateAsync(TimeSpan.Zero, cancellationToken);
    }

    [Test]
    public async Task What_a_killed_gateway_left_half_made_is_swept(CancellationToken cancellationToken)
    {
        using var provisioner = OciProvisionerTests.CreateWith(Settings);
        (await provisioner.CheckAsync(cancellationToken)).Reason.Should().BeNull();
        // A slot without a name, a slot without a sandbox, a sandbox without a slot or container.
        await File.WriteAllTextAsync(Path.Combine(State, "slots", "5"), "", cancellationToken);
        await File.WriteAllTextAsync(Path.Combine(State, "slots", "6"), "half", cancellationToken);
        Directory.CreateDirectory(Path.Combine(State, "sandboxes", "other", "work"));
        (await provisioner.RemoveOrphansAsync(new HashSet<string>(), cancellationToken)).Should().BeEquivalentTo("half", "other");
    }

    [Test]
    public async Task Files_of_an_earlier_version_stay_while_a_sandbox_may_see_them(CancellationToken cancellationToken)
    {
        using var provisioner = OciProvisionerTests.CreateWith(Settings);
        var host = await provisioner.ProvisionAsync(TestKernels.Spec("s1"), cancellationToken);
        var earlier = Path.Combine(State, "shared", "0123456789abcdef");
        Directory.CreateDirectory(earlier);
        var none = new HashSet<string>();
        (await provisioner.RemoveOrphansAsync(none, cancellationToken)).Should().BeEmpty();
        Directory.Exists(earlier).Should().BeTrue();
        await host.TerminateAsync(TimeSpan.Zero, cancellationToken);
        (await provisioner.RemoveOrphansAsync(none, cancellationToken)).Should().BeEmpty();
        Directory.EnumerateDirectories(Path.Combine(State, "shared")).Should().ContainSingle().Which.Should().NotBe(earlier);
    }

    /// <summary>A runtime that runs a script and then, if that did not exit, the real one.</summary>
    private async Task<string> WriteRuntimeAsync(string script, string onlyFor, CancellationToken cancellationToken)
    {
        var path = Path.Combine(Folder, "runtime.sh");
        var when = onlyFor.Length == 0 ? "true" : $"[ \"$3\" = {onlyFor} ]";
        await File.WriteAllTextAsync(path, $"#!/bin/sh\nif {when}; then\n:\n{script}\nfi\nexec /usr/sbin/runc \"$@\"\n", cancellationToken);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return path;
    }
}
