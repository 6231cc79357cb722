using KernelGateway.Core.Errors;

namespace KernelGateway.Core.Kernels;

/// <summary>Standing still with its sandbox: nothing is sent, no time limit runs, and nobody takes it for dead.</summary>
internal sealed partial class KernelSession
{
    // Changed under the gate only, read anywhere.
    private volatile bool _paused;

    /// <summary>Before its processes are stopped.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.Conflict"/>: a run is being ended by force, which must not be held up.</exception>
    public void Pause()
    {
        lock (_gate)
        {
            if (_current is { IsEscalating: true })
            {
                throw new GatewayException(ErrorCode.Conflict, $"A run in context '{Id}' is being stopped. Pause the sandbox when it has ended.");
            }

            _paused = true;
            _timer.Pause();
        }
    }

    /// <summary>After they have gone on, or were never stopped.</summary>
    public void Resume()
    {
        lock (_gate)
        {
            _paused = false;
            _timer.Resume(_current);
            SendNext();
        }
    }

    /// <summary>Found with a sandbox that is paused: as it was, and nobody speaks to its kernel before it is resumed.</summary>
    public void StayAsleep()
    {
        lock (_gate)
        {
            _paused = true;
            _state = Contracts.Sandboxes.KernelState.Idle;
        }
    }
}
