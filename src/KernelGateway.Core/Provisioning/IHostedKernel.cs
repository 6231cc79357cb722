using KernelGateway.Core.Errors;
using KernelGateway.Jupyter;

namespace KernelGateway.Core.Provisioning;

/// <summary>One kernel process in an <see cref="IKernelHost"/>.</summary>
public interface IHostedKernel
{
    /// <summary>The id given in <see cref="KernelLaunch.KernelId"/>.</summary>
    string Id { get; }

    /// <summary>Completes when the kernel's process has ended, with the reason; never faults. It is an event, not a poll.</summary>
    Task<KernelExit> Exited { get; }

    /// <summary>The folder with the kernel's own log of its output, or <c>null</c> for a kernel that keeps none and is read from IOPub.</summary>
    KernelLogLocation? Log { get; }

    /// <summary>Connects to the kernel's channels; peer, paths and sizes are checked as the place demands.</summary>
    /// <param name="options">Session, identity and callbacks; the place adds its own checks (uid of the peer, folder of the sockets).</param>
    /// <param name="cancellationToken">Stops the attempt.</param>
    Task<KernelClient> ConnectAsync(KernelClientOptions options, CancellationToken cancellationToken);

    /// <summary>Sends a signal to the kernel (and, for SIGINT, to its process group as jupyter_client does).</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.KernelFailed"/> when the place is gone.</exception>
    Task SignalAsync(KernelSignal signal, CancellationToken cancellationToken);

    /// <summary>Asks the processes that the kernel started to end (SIGTERM), and not the kernel itself.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.KernelFailed"/> when the place is gone or cannot do it.</exception>
    Task TerminateChildrenAsync(CancellationToken cancellationToken);
}

/// <summary>The signals the gateway sends to kernels.</summary>
public enum KernelSignal
{
    /// <summary>SIGINT: stop the running cell.</summary>
    Interrupt = 2,

    /// <summary>SIGKILL: end the process now.</summary>
    Kill = 9,

    /// <summary>SIGTERM: end the process in its own way.</summary>
    Terminate = 15,
}

/// <summary>Where a launched kernel writes its log before it publishes.</summary>
/// <param name="Directory">The folder, as the host sees it.</param>
/// <param name="OwnerUid">The uid on the host that files of the log belong to; anything else is refused.</param>
public sealed record KernelLogLocation(string Directory, uint OwnerUid);
