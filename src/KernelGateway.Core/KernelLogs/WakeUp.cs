using System.Threading.Channels;

namespace KernelGateway.Core.KernelLogs;

/// <summary>Says that a log is worth a look. A look is taken now and then all the same, for a word that was lost.</summary>
internal sealed class WakeUp : IDisposable
{
    private static readonly TimeSpan LookAnyway = TimeSpan.FromSeconds(1);

    // Holds one wake-up at most: it serves all that came since the last look. A semaphore with a time-out would do the
    // same with two changes of threads more for each message.
    private readonly Channel<bool> _wake = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite, SingleReader = true });
    private readonly ITimer _lookAnyway;

    public WakeUp(TimeProvider time) =>
        _lookAnyway = time.CreateTimer(static wakeUp => ((WakeUp)wakeUp!).Wake(), this, LookAnyway, LookAnyway);

    public void Wake() => _wake.Writer.TryWrite(true);

    public async ValueTask WaitAsync(CancellationToken cancellationToken) => await _wake.Reader.ReadAsync(cancellationToken);

    public void Dispose() => _lookAnyway.Dispose();
}
