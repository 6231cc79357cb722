using KernelGateway.Core.Journals;
using KernelGateway.Core.KernelLogs;

namespace KernelGateway.Core.Kernels;

/// <summary>Reads the log that our launcher writes before it publishes. IOPub and the reply only say that it is worth looking.</summary>
internal sealed class LogOutputSource : IKernelOutputSource
{
    private readonly WakeUp _wake;
    private readonly string _kernelId;
    private readonly KernelLogReader _reader;

    public LogOutputSource(string kernelId, KernelLogReader reader, TimeProvider time)
    {
        _kernelId = kernelId;
        _reader = reader;
        _wake = new WakeUp(time);
    }

    /// <summary>Says that the kernel has published something.</summary>
    public void Wake() => _wake.Wake();

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

    public ValueTask WaitAsync(CancellationToken cancellationToken) => _wake.WaitAsync(cancellationToken);

    public void Acknowledge() => _reader.Acknowledge(_reader.Position);

    public void Dispose()
    {
        _wake.Dispose();
        _reader.Dispose();
    }

    private SourcePosition Source(KernelLogPosition position) => new(_kernelId, position.Segment, position.Offset, position.Sequence);
}
