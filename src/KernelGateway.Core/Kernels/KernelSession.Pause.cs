using KernelGateway.Core.Errors;

namespace KernelGateway.Core.Kernels;

/// <summary>Standing still with its sandbox: nothing is sent, no time limit runs, and nobody takes it for dead.</summary>
internal sealed partial class KernelSession
{
    // Changed under the gate only, read anywhere.
    private volatile bool _paused;

    // What is left of the time limit of the run under way; null when none runs.
    private TimeSpan? _timeLeft;

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
            if (_timeout is not null)
            {
                var left = _timeLimit - _time.GetElapsedTime(_timeoutStarted);
                _timeLeft = left > TimeSpan.Zero ? left : TimeSpan.Zero;
                _timeout.Dispose();
                _timeout = null;
            }
        }
    }

    /// <summary>After they have gone on, or were never stopped.</summary>
    public void Resume()
    {
        lock (_gate)
        {
            _paused = false;
            if (_timeLeft is { } left && _current is { } running)
            {
                StartTimeout(running, left);
            }

            _timeLeft = null;
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
