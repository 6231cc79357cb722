namespace KernelGateway.Chaos.Tests.Support;

/// <summary>A wall clock that can be set; the monotonic clock and the timers are those of the machine, as with a real one.</summary>
internal sealed class JumpingClock : TimeProvider
{
    private long _offset;

    public override DateTimeOffset GetUtcNow() => System.GetUtcNow() + TimeSpan.FromTicks(Interlocked.Read(ref _offset));

    public void Jump(TimeSpan by) => Interlocked.Add(ref _offset, by.Ticks);
}
