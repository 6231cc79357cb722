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
public sealed class OciProvisionerTests : ContainerProvisionerContract
{
    protected override string Variant => "local";

    protected override IKernelProvisioner Create(string state) => CreateWith(OptionsOf(state));

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

    protected override string HostDiffers => "the user namespace is the host's";

    protected override IReadOnlyList<(string Expression, string Outcome)> Attempts =>
    [
        ("attempt(open, '/etc/shadow')", "ENOENT"),
        ("os.getuid(), os.getgid(), os.getgroups()", "1000 1000 \\[\\]"),
    ];

    protected override IReadOnlyList<string> UidsOf(int init)
    {
        var uids = File.ReadAllLines($"/proc/{init}/uid_map").Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]).ToList();
        uids.Should().HaveCount(3);
        return uids;
    }

    protected override async Task<Func<int, int, IReadOnlyList<string>>> PostureOfAsync(HostDescription description, ResourceLimits limits)
    {
        var options = OptionsOf(State);
        var site = await SiteAsync(options);
        return new OciPosture(options, site, site.Find(description.SandboxId, LauncherState.Read(description, Variant).PlaceNumber("slot")), limits).Deviations;
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

    /// <summary>The site that a provisioner of these options works on.</summary>
    internal static Task<OciSite> SiteAsync(OciProvisionerOptions options)
    {
        var folders = new ContainerFolders(options.StateFolder, null);
        return OciSite.PrepareAsync(options, new OciRuntime("runc", folders.Runtime, TimeProvider.System), CgroupLayout.Read(), folders, TimeProvider.System);
    }
}
