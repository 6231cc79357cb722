using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Tests.Contract;
using KernelGateway.Provisioners.Tests.Support;

namespace KernelGateway.Provisioners.Tests.Remote;

/// <summary>Files through a utility kernel do what those of this host do.</summary>
[TestFixture(false)]
[TestFixture(true)]
public sealed class RemoteFilesContractTests(bool isWholeMachine) : SandboxFilesContract
{
    // One each for all tests: starting them would take most of the time.
    private RealKernel _utility = null!;
    private RealKernel _user = null!;
    private RemoteStage? _stage;

    [OneTimeSetUp]
    public async Task StartKernels()
    {
        _utility = await RealKernel.StartAsync("ipc");
        _user = await RealKernel.StartAsync("tcp");
    }

    [OneTimeTearDown]
    public async Task EndKernels()
    {
        await _utility.DisposeAsync();
        await _user.DisposeAsync();
    }

    [TearDown]
    public async Task EndStage()
    {
        await _user.InterruptAsync(CancellationToken.None);
        if (_stage is not null)
        {
            await _stage.DisposeAsync();
        }
    }

    /// <summary>Twice Python's own limit; ten thousand take the disk half a minute.</summary>
    private protected override int DeepFolders => 2_000;

    private protected override async Task<(ISandboxFiles Files, RunningKernel Kernel)> OpenFilesAsync(CancellationToken cancellationToken)
    {
        _stage = new RemoteStage(_utility, isWholeMachine: isWholeMachine);
        var running = RunningKernel.Of(await _user.ConnectAsync());
        await running.RunAsync($"import os; os.chdir({Quote(_stage.Work)}); os.environ['HOME'] = {Quote(_stage.Work)}", cancellationToken);
        await _stage.Kernel.ConnectedAsync(cancellationToken);
        return (_stage.Files, running);
    }

    private protected override async Task EndPlacesAsync() => await _stage!.Kernel.DisposeAsync();
}
