using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Tests.Support;

namespace KernelGateway.Provisioners.Tests.Contract;

/// <summary>What every variant must do. Each derives a fixture from this.</summary>
public abstract partial class KernelProvisionerContract : SandboxFilesContract
{
    private readonly List<IKernelHost> _hosts = [];
    private StateFolder _folder = null!;
    private int _number;

    /// <summary>Where the variant keeps its state.</summary>
    protected string State => Path.Combine(_folder.Path, "h");

    protected static string CgroupParent { get; } = $"/kg-test-{Environment.ProcessId}";

    protected IKernelProvisioner Provisioner { get; private set; } = null!;

    protected abstract string Variant { get; }

    /// <summary>The folder in which kernels start, as they see it.</summary>
    protected abstract string WorkFolderOf(string sandboxId);

    protected abstract IKernelProvisioner Create(string state);

    [OneTimeSetUp]
    public async Task PrepareHost()
    {
        Requires.Program("/usr/bin/python3.11");
        _folder = new StateFolder();
        Provisioner = Create(State);
        var ready = await Provisioner.CheckAsync(CancellationToken.None);
        Requires.Demand(ready.Ready, $"The variant {Variant} ({ready.Reason})");
    }

    [OneTimeTearDown]
    public void RemoveState()
    {
        (Provisioner as IDisposable)?.Dispose();
        HostTraces.RemoveGroups(CgroupParent);
        _folder.Dispose();
    }

    [TearDown]
    public async Task LeaveNothing()
    {
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
        HostTraces.Find(State, CgroupParent).Should().BeEmpty("a place that was ended leaves nothing on the host");
    }

    /// <summary>A sandbox id that no other test uses.</summary>
    protected string NextId() => $"s{Interlocked.Increment(ref _number)}";

    /// <summary>A place that is ended after the test.</summary>
    protected async Task<IKernelHost> ProvisionAsync(
        CancellationToken cancellationToken,
        string? id = null,
        IReadOnlyDictionary<string, string>? variables = null,
        ResourceLimits? limits = null) =>
        Keep(await Provisioner.ProvisionAsync(TestKernels.Spec(id ?? NextId(), variables, limits), cancellationToken));

    protected IKernelHost Keep(IKernelHost host)
    {
        _hosts.Add(host);
        return host;
    }

    private protected override async Task<(ISandboxFiles Files, RunningKernel Kernel)> OpenFilesAsync(CancellationToken cancellationToken)
    {
        var host = await ProvisionAsync(cancellationToken);
        return (((IFileHost)host).Files, await RunningKernel.LaunchAsync(host, TestKernels.Python("k1"), cancellationToken));
    }

    private protected override async Task EndPlacesAsync()
    {
        foreach (var host in _hosts)
        {
            await host.TerminateAsync(TimeSpan.Zero, CancellationToken.None);
        }
    }
}
