using KernelGateway.Core.Errors;
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

    /// <summary>What a variant needs before it can be made.</summary>
    protected virtual Task PrepareVariantAsync() => Task.CompletedTask;

    /// <summary>Whether any program can be a kernel. A Jupyter Server starts only what it knows.</summary>
    protected virtual bool RunsAnyProgram => true;

    /// <summary>Whether kernels are started by our launcher, and so keep a log.</summary>
    protected virtual bool KeepsLogs => true;

    /// <summary>Whether it is known how the process of a kernel ended. A Jupyter Server does not say.</summary>
    protected virtual bool TellsHowKernelsEnd => true;

    /// <summary>Within which time the end of a kernel is told. A Jupyter Server looks every three seconds.</summary>
    protected virtual TimeSpan ToldWithin => TimeSpan.FromMilliseconds(500);

    /// <summary>Whether a place is processes of this host, of which none is left when it ends.</summary>
    protected virtual bool IsOnThisHost => true;

    /// <summary>Whether it knows its places without their descriptions, so that forgotten ones are found. Nobody can in a server of somebody else.</summary>
    protected virtual bool KnowsItsPlaces => true;

    /// <summary>Whether its way to files is its own. That through a utility kernel is the same for all, and <see cref="Remote.RemoteFilesContractTests"/> holds it to all demands.</summary>
    protected virtual bool HasItsOwnFiles => true;

    /// <summary>A kernel of which nothing is asked.</summary>
    private KernelLaunch Sleeper(string id) => RunsAnyProgram ? TestKernels.Script(id, "exec sleep 600") : TestKernels.Python(id);

    /// <summary>What this variant cannot promise is refused and not pretended, and there the demand ends.</summary>
    private async Task DemandAnyProgramAsync(IKernelHost host, CancellationToken cancellationToken)
    {
        if (!RunsAnyProgram)
        {
            (await host.Invoking(it => it.LaunchKernelAsync(TestKernels.Script("k9", "exit 0"), cancellationToken)).Should().ThrowAsync<GatewayException>())
                .Which.Message.Should().Contain("no kernel 'script'").And.Contain("python3");
            Assert.Pass("The kernels of a Jupyter Server are those that it knows.");
        }
    }

    [OneTimeSetUp]
    public async Task PrepareHost()
    {
        await PrepareVariantAsync();
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
        await CheckNothingIsLeftAsync();
    }

    /// <summary>Looks where else something might be left after a test.</summary>
    protected virtual Task CheckNothingIsLeftAsync() => Task.CompletedTask;

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
        if (!HasItsOwnFiles)
        {
            Assert.Pass("Its files are reached through a utility kernel, of which another fixture demands this.");
        }

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
