using KernelGateway.Core.Faults;
using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Oci;
using KernelGateway.Provisioners.Tests.Support;

namespace KernelGateway.Provisioners.Tests.Oci;

/// <summary>One provisioner of the variant <c>local</c> for all tests of a fixture, each of which leaves nothing on the host.</summary>
/// <param name="name">Short; tells its control groups from those of other fixtures.</param>
/// <param name="uids">Tells its user ids from those of other fixtures.</param>
public abstract class LocalSandboxFixture(string name, uint uids)
{
    private readonly List<IKernelHost> _hosts = [];
    private StateFolder _folder = null!;

    private protected string Parent { get; } = $"/kg-{name}-{Environment.ProcessId}";

    private protected string State => Path.Combine(Folder, "h");

    /// <summary>A folder for what tests need besides.</summary>
    private protected string Folder => _folder.Path;

    private protected OciProvisioner Provisioner { get; private set; } = null!;

    [OneTimeSetUp]
    public async Task PrepareHost()
    {
        Requires.Root();
        Requires.Program("/usr/sbin/runc");
        _folder = new StateFolder();
        Provisioner = OciProvisionerTests.CreateWith(Options());
        var ready = await Provisioner.CheckAsync(CancellationToken.None);
        ready.Reason.Should().BeNull();
        ready.Details["diskQuota"].Should().Be("yes");
    }

    [OneTimeTearDown]
    public void RemoveState()
    {
        Provisioner?.Dispose();
        HostTraces.RemoveGroups(Parent);
        _folder?.Dispose();
    }

    [TearDown]
    public async Task LeaveNothing()
    {
        Fault.Arm(null);
        foreach (var host in _hosts)
        {
            try
            {
                await host.TerminateAsync(TimeSpan.Zero, CancellationToken.None);
            }
            catch (ObjectDisposedException)
            {
                // The test let go of it and found it again.
            }
        }

        _hosts.Clear();
        HostTraces.Find(State, Parent).Should().BeEmpty();
        CheckNothingElseIsLeft();
    }

    /// <summary>Looks where else something might be left after a test.</summary>
    private protected virtual void CheckNothingElseIsLeft()
    {
    }

    private protected OciProvisionerOptions Options()
    {
        var options = OciProvisionerTests.OptionsOf(State);
        options.UidBase += uids;
        options.CgroupParent = Parent;
        return options;
    }

    /// <summary>A sandbox that is ended after the test.</summary>
    private protected async Task<IKernelHost> ProvisionAsync(HostSpec spec, CancellationToken cancellationToken)
    {
        var host = await Provisioner.ProvisionAsync(spec, cancellationToken);
        _hosts.Add(host);
        return host;
    }

    /// <summary>Lets go of one that nobody shall end after the test.</summary>
    private protected async Task LetGoAsync(IKernelHost host)
    {
        await host.DisposeAsync();
        _hosts.Remove(host);
    }

    /// <summary>Ends one before that.</summary>
    private protected async Task EndAsync(IKernelHost host, CancellationToken cancellationToken)
    {
        await host.TerminateAsync(TimeSpan.Zero, cancellationToken);
        _hosts.Remove(host);
    }
}
