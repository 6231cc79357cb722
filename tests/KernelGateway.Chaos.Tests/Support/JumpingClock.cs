using System.Collections.Concurrent;

namespace KernelGateway.Chaos.Tests.Support;

/// <summary>A wall clock that can be set; the monotonic clock and the timers are those of the machine, as with a real one, but tell when they fire.</summary>
internal sealed class JumpingClock : TimeProvider
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly ConcurrentDictionary<TimeSpan, SemaphoreSlim> _ticks = new();
    private long _offset;

    public override DateTimeOffset GetUtcNow() => System.GetUtcNow() + TimeSpan.FromTicks(Interlocked.Read(ref _offset));

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) => System.CreateTimer(
        it =>
        {
            callback(it);
            TicksOf(period).Release();
        },
        state,
        dueTime,
        period);

    public void Jump(TimeSpan by) => Interlocked.Add(ref _offset, by.Ticks);

    /// <summary>Completes when the timer of a period has fired that often from now on.</summary>
    public async Task TicksAsync(TimeSpan period, int count)
    {
        var ticks = TicksOf(period);
        while (ticks.Wait(0))
        {
            // Those before do not count.
        }

        for (var i = 0; i < count; i++)
        {
            (await ticks.WaitAsync(Patience)).Should().BeTrue("a timer of {0} must fire", period);
        }
    }

    private SemaphoreSlim TicksOf(TimeSpan period) => _ticks.GetOrAdd(period, static _ => new SemaphoreSlim(0));
}
