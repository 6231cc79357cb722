using KernelGateway.Provisioners.Docker;
using KernelGateway.Provisioners.Tests.Support;

namespace KernelGateway.Provisioners.Tests.Docker;

/// <summary>One provisioner of the variant <c>local-docker</c> on the shared engine for all tests of a fixture, which leaves nothing in the engine and on the host.</summary>
/// <param name="name">Short; tells its control groups from those of other fixtures.</param>
/// <param name="uidBase">Its first user id.</param>
public abstract class DockerSandboxFixture(string name, uint uidBase)
{
    private StateFolder _folder = null!;

    private protected string Parent { get; } = $"/kg-{name}-{Environment.ProcessId}";

    private protected string State => Path.Combine(_folder.Path, "h");

    private protected DockerDaemon Daemon { get; private set; } = null!;

    private protected DockerProvisioner Provisioner { get; private set; } = null!;

    [OneTimeSetUp]
    public async Task PrepareEngine()
    {
        Daemon = await SharedDaemon.GetAsync();
        _folder = new StateFolder();
        Provisioner = DockerProvisionerTests.CreateWith(Options());
    }

    [OneTimeTearDown]
    public async Task LeaveNoTrace()
    {
        if (_folder is null)
        {
            return;
        }

        Provisioner.Dispose();
        var left = HostTraces.Find(State, Parent);
        HostTraces.RemoveGroups(Parent);
        _folder.Dispose();
        left.Should().BeEmpty();
        (await ContainersAsync()).Should().BeEmpty();
    }

    /// <summary>The ids of all containers of the engine, those too that do not run.</summary>
    private protected async Task<string[]> ContainersAsync() => (await Daemon.DockerAsync("ps", "--all", "--quiet")).Split('\n', StringSplitOptions.RemoveEmptyEntries);

    private protected virtual DockerProvisionerOptions Options() => SharedDaemon.OptionsFor(Daemon, State, Parent, uidBase);
}
