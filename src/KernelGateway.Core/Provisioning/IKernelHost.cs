using KernelGateway.Core.Errors;

namespace KernelGateway.Core.Provisioning;

/// <summary>The live place of one sandbox: a container, a process tree or a remote server, in which kernels run.</summary>
/// <remarks>Disposing lets go of the place and leaves it running; <see cref="TerminateAsync"/> ends it.</remarks>
public interface IKernelHost : IAsyncDisposable
{
    /// <summary>The kernels that run or have run here since the place was made, by their id.</summary>
    IReadOnlyCollection<IHostedKernel> Kernels { get; }

    /// <summary>An optional power of this place, for example <see cref="ILimitable"/>; <c>null</c> when its variant does not have it.</summary>
    TPower? PowerOf<TPower>()
        where TPower : class => this as TPower;

    /// <summary>Completes when the whole place is gone, with the reason; never faults.</summary>
    Task<HostExit> Exited { get; }

    /// <summary>The one way out of a place that has no network; <c>null</c> where the place cannot be confined.</summary>
    IEgressDoor? Egress => null;

    /// <summary>False where kernels are started by somebody else, so that none of them keeps a log or knows what our launcher knows, whatever their environment says.</summary>
    bool RunsLauncher => true;

    /// <summary>Starts a kernel. Returns when its process runs, not when it is ready.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.KernelFailed"/> with the reason.</exception>
    Task<IHostedKernel> LaunchKernelAsync(KernelLaunch launch, CancellationToken cancellationToken);

    /// <summary>Ends everything in the place and removes all it used on the host. Can be called again.</summary>
    /// <param name="grace">How long processes may take to end by themselves before they are killed.</param>
    /// <param name="cancellationToken">Stops the waiting, not the ending.</param>
    Task TerminateAsync(TimeSpan grace, CancellationToken cancellationToken);

    /// <summary>What the system inside comes from: <c>host</c>, or an image by name and digest; <c>null</c> where that is not known.</summary>
    string? RunsOn => null;

    /// <summary>How full its disk is now; <c>null</c> when it has none of its own. One quick system call.</summary>
    DiskUse? MeasureDisk() => null;

    /// <summary>All that <see cref="IKernelProvisioner.ReattachAsync"/> needs to find this place again. Holds secrets: store it 0600.</summary>
    HostDescription Describe();
}
