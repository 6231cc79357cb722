using KernelGateway.Core.Sandboxes;

namespace KernelGateway.Core.Executions;

/// <summary>
/// Says when updates of displays come too fast to keep them all. So many per second may come, saved up for at most the window; one that is
/// larger than what is left passes and is paid for by those after it.
/// </summary>
internal sealed class RateMeter
{
    private double _messages;
    private double _bytes;
    private TimeSpan? _last;
    private TimeSpan _owed;

    /// <summary>What is read now may have been said in this time, in which nobody listened.</summary>
    public void Allow(TimeSpan away) => _owed = away > TimeSpan.Zero ? away : TimeSpan.Zero;

    /// <summary>Counts an update; false when it comes too fast.</summary>
    /// <param name="size">Bytes.</param>
    /// <param name="now">On a clock that only goes forward.</param>
    /// <param name="limits">How many may come.</param>
    public bool Take(long size, TimeSpan now, SandboxOptions limits)
    {
        var passed = _last is { } last ? now - last : limits.RateWindow + _owed;
        _messages = Refill(_messages, limits.MaxUpdatesPerSecond);
        _bytes = Refill(_bytes, limits.MaxUpdateBytesPerSecond);
        _last = now;
        if ((limits.MaxUpdatesPerSecond > 0 && _messages < 1) || (limits.MaxUpdateBytesPerSecond > 0 && _bytes <= 0))
        {
            return false;
        }

        _messages--;
        _bytes -= size;
        return true;

        double Refill(double left, double perSecond) => _last is null
            ? passed.TotalSeconds * perSecond
            : Math.Max(left, Math.Min(left + (passed.TotalSeconds * perSecond), limits.RateWindow.TotalSeconds * perSecond));
    }
}
