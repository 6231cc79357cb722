namespace KernelGateway.Core.KernelLogs;

/// <summary>What a record of a kernel's log holds.</summary>
public enum KernelLogKind
{
    /// <summary>A message published on IOPub.</summary>
    IOPub = 1,

    /// <summary>An input_request, sent on the stdin channel.</summary>
    InputRequest = 2,

    /// <summary>The execute_reply to an execute_request, sent on the shell channel.</summary>
    ExecuteReply = 3,

    /// <summary>A stand-in for a message that was too large for the log: its content is <c>{"msg_type": …, "size": bytes}</c>.</summary>
    LeftOut = 4,

    /// <summary>A piece of what a command put out: the name of the stream, the bytes.</summary>
    CommandOutput = 5,

    /// <summary>How a command ended, as JSON.</summary>
    CommandEnd = 6,
}

/// <summary>One record of a kernel's log. Complete and unaltered since it was written, but written by sandboxed code: its content is to be checked like anything else from there.</summary>
public sealed class KernelLogRecord
{
    internal KernelLogRecord(KernelLogKind kind, KernelLogPosition after, IReadOnlyList<ReadOnlyMemory<byte>> frames)
    {
        Kind = kind;
        After = after;
        Frames = frames;
    }

    /// <summary>What it holds.</summary>
    public KernelLogKind Kind { get; }

    /// <summary>The record's number, from 1, without holes unless the reader reported a fault before it.</summary>
    public long Sequence => After.Sequence;

    /// <summary>The place right after this record: where to resume once it is stored.</summary>
    public KernelLogPosition After { get; }

    /// <summary>The message's frames as signed and sent: header, parent header, metadata, content, buffers. Memory of its own; there may be fewer than four.</summary>
    public IReadOnlyList<ReadOnlyMemory<byte>> Frames { get; }
}
