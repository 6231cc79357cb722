using KernelGateway.Core.Errors;

namespace KernelGateway.Core.Provisioning;

/// <summary>The power of a place to stand still: no process of it gets any processor time. Its memory stays in use, its files can be reached.</summary>
/// <remarks>A pause outlives the gateway. A paused place can be ended; then nothing of it runs any more but what a grace lets it.</remarks>
public interface IPausable
{
    /// <summary>Whether it stands still now, as the host says.</summary>
    bool IsPaused { get; }

    /// <summary>Stops everything; returns when nothing runs. The time limits of commands stand still too.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.Conflict"/> or <see cref="ErrorCode.HostNotReady"/>: it could not be stopped, and goes on as before.</exception>
    Task PauseAsync(CancellationToken cancellationToken);

    /// <summary>Lets everything go on. A place that was found paused is taken up only now: until then nobody has spoken to it.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.KernelFailed"/>: it does not answer any more.</exception>
    Task ResumeAsync(CancellationToken cancellationToken);
}
