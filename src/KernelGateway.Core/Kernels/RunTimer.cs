using KernelGateway.Core.Executions;

namespace KernelGateway.Core.Kernels;

/// <summary>The time limit of the run under way, which does not pass while the sandbox is paused. Used under the session's gate only.</summary>
/// <param name="time">The clock.</param>
/// <param name="over">Is called, without the gate, when the time of a run is over.</param>
internal sealed class RunTimer(TimeProvider time, Action<Execution> over)
{
    private ITimer? _timer;
    private long _started;
    private TimeSpan _limit;

    // What is left of it while the sandbox is paused; null when no limit runs.
    private TimeSpan? _left;

    public void Start(Execution execution, TimeSpan limit, bool isPaused)
    {
        Stop();
        if (isPaused)
        {
            _left = limit;
            return;
        }

        (_started, _limit) = (time.GetTimestamp(), limit);
        _timer = time.CreateTimer(_ => over(execution), null, limit, Timeout.InfiniteTimeSpan);
    }

    public void Pause()
    {
        if (_timer is not null)
        {
            var left = _limit - time.GetElapsedTime(_started);
            _left = left > TimeSpan.Zero ? left : TimeSpan.Zero;
            Stop();
        }
    }

    public void Resume(Execution? running)
    {
        if (_left is { } left && running is not null)
        {
            Start(running, left, isPaused: false);
        }

        _left = null;
    }

    /// <summary>The run has ended.</summary>
    public void Clear()
    {
        Stop();
        _left = null;
    }

    /// <summary>Nobody is there any more to be stopped by it.</summary>
    public void Stop()
    {
        _timer?.Dispose();
        _timer = null;
    }
}
