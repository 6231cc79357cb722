using System.Threading.Channels;
using KernelGateway.Core.Journals;
using KernelGateway.Core.KernelLogs;

namespace KernelGateway.Core.Kernels;

/// <summary>Reads the log that our launcher writes before it publishes. IOPub and the reply only say that it is worth looking.</summary>
internal sealed class LogOutputSource : IKernelOutputSource
{
    /// <summary>A wake-up is lost only when IOPub is being reconnected; then this is how late the log is looked at.</summary>
    private static readonly TimeSpan LookAnyway = TimeSpan.FromSeconds(1);

    // Holds one wake-up at most: it serves all that came since the last look. A semaphore with a time-out would do the
    // same with two changes of threads more for each message.
    private readonly Channel<bool> _wake = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite, SingleReader = true });
    private readonly string _kernelId;
    private readonly KernelLogReader _reader;
    private readonly ITimer _lookAnyway;

    public LogOutputSource(string kernelId, KernelLogReader reader, TimeProvider time)
    {
        _kernelId = kernelId;
        _reader = reader;
        _lookAnyway = time.CreateTimer(static source => ((LogOutputSource)source!).Wake(), this, LookAnyway, LookAnyway);
    }

    /// <summary>Says that the kernel has published something.</summary>
    public void Wake() => _wake.Writer.TryWrite(true);

    public bool TryRead(out KernelOutput output)
    {
        if (_reader.TryRead(out var record))
        {
            var channel = record.Kind switch
            {
                KernelLogKind.InputRequest => JournalChannel.Stdin,
                KernelLogKind.ExecuteReply => JournalChannel.Shell,
                _ => JournalChannel.Iopub,
            };
            output = KernelOutputs.FromFrames(channel, record.Frames, Source(record.After), omitted: record.Kind == KernelLogKind.LeftOut);
            return true;
        }

        if (_reader.Fault is { } fault)
        {
            output = KernelOutputs.Gap($"The kernel's log is damaged: {fault.Message}", Source(_reader.Position));
            return true;
        }

        output = default;
        return false;
    }

    public async ValueTask WaitAsync(CancellationToken cancellationToken) => await _wake.Reader.ReadAsync(cancellationToken);

    public void Acknowledge() => _reader.Acknowledge(_reader.Position);

    public void Dispose()
    {
        _lookAnyway.Dispose();
        _reader.Dispose();
    }

    private SourcePosition Source(KernelLogPosition position) => new(_kernelId, position.Segment, position.Offset, position.Sequence);
}
