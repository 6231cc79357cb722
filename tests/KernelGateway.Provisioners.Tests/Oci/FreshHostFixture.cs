using KernelGateway.Provisioners.Oci;
using KernelGateway.Provisioners.Tests.Support;

namespace KernelGateway.Provisioners.Tests.Oci;

/// <summary>A state folder and settings of the variant <c>local</c> for each test, which makes its own provisioners and leaves nothing on the host.</summary>
/// <param name="name">Short; tells its control groups from those of other fixtures.</param>
/// <param name="uids">Tells its user ids from those of other fixtures.</param>
public abstract class FreshHostFixture(string name, uint uids)
{
    private StateFolder _folder = null!;

    private protected string Parent { get; } = $"/kg-{name}-{Environment.ProcessId}";

    private protected string State => Path.Combine(Folder, "h");

    /// <summary>A folder for what a test needs besides.</summary>
    private protected string Folder => _folder.Path;

    private protected OciProvisionerOptions Settings { get; private set; } = null!;

    [SetUp]
    public void PrepareSettings()
    {
        Requires.Root();
        Requires.Program("/usr/sbin/runc");
        Requires.Program("/usr/bin/tini");
        _folder = new StateFolder();
        Settings = OciProvisionerTests.OptionsOf(State);
        Settings.UidBase += uids;
        Settings.CgroupParent = Parent;
    }

    [TearDown]
    public void LeaveNothing()
    {
        if (_folder is null)
        {
            return;
        }

        var left = HostTraces.Find(State, Parent);
        HostTraces.RemoveGroups(Parent);
        _folder.Dispose();
        left.Should().BeEmpty("a refusal or failure leaves nothing");
    }
}
