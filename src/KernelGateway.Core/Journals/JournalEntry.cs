namespace KernelGateway.Core.Journals;

/// <summary>What an entry records.</summary>
public enum JournalEntryKind : byte
{
    /// <summary>A message of a kernel; the frames are header, parent header, metadata, content, buffers.</summary>
    KernelMessage = 1,

    /// <summary>A run was accepted; one frame with <see cref="Notes.QueuedNote"/>. Written before the request is sent.</summary>
    ExecutionQueued = 2,

    /// <summary>A run ended; one frame with <see cref="Notes.FinishedNote"/>.</summary>
    ExecutionFinished = 3,

    /// <summary>A kernel changed state; one frame with <see cref="Notes.StateNote"/>.</summary>
    KernelState = 4,

    /// <summary>The sandbox changed state; one frame with <see cref="Notes.StateNote"/>.</summary>
    SandboxState = 5,

    /// <summary>Something may be missing here; one frame with <see cref="Notes.GapNote"/>.</summary>
    Gap = 6,

    /// <summary>A message was too large to keep; one frame with <see cref="Notes.OmittedNote"/>.</summary>
    Omitted = 7,

    /// <summary>Not stored: stands for entries that are gone, up to its own number; one frame with <see cref="Notes.TruncatedNote"/>.</summary>
    Truncated = 8,

    /// <summary>A step was taken to end a run; one frame with <see cref="Notes.EscalationNote"/>. Written before the step.</summary>
    Escalation = 9,

    /// <summary>The owner changed the sandbox; one frame with <see cref="Notes.ChangeNote"/>.</summary>
    SandboxChanged = 10,

    /// <summary>A snapshot was made of the sandbox; one frame with <see cref="Notes.SnapshotNote"/>.</summary>
    SandboxSnapshotted = 30,

    /// <summary>The sandbox has what was in its snapshot; one frame with <see cref="Notes.RestoredNote"/>.</summary>
    SandboxRestored = 31,

    /// <summary>The network policy refused a connection; one frame with <see cref="Notes.EgressDeniedNote"/>.</summary>
    EgressDenied = 16,

    /// <summary>A command was accepted; one frame with <see cref="Notes.CommandNote"/>. Written before it is started. Its id is in <see cref="JournalEntry.ExecutionId"/>.</summary>
    CommandStarted = 20,

    /// <summary>A piece of what a command put out; two frames: the name of the stream, the bytes.</summary>
    CommandOutput = 21,

    /// <summary>A command ended; one frame with <see cref="Notes.CommandEndNote"/>.</summary>
    CommandFinished = 22,
}

/// <summary>The Jupyter channel a message came on.</summary>
public enum JournalChannel : byte
{
    /// <summary>Not a kernel message.</summary>
    None = 0,

    /// <summary>Broadcast output.</summary>
    Iopub = 1,

    /// <summary>A question of the kernel to the front end.</summary>
    Stdin = 2,

    /// <summary>The reply to an execute_request.</summary>
    Shell = 3,
}

/// <summary>The place in a kernel's own log right behind the record that an entry was made from.</summary>
/// <param name="KernelId">Which kernel's log.</param>
/// <param name="Segment">Segment number, from 1.</param>
/// <param name="Offset">Byte offset behind the record.</param>
/// <param name="Sequence">The record's sequence number.</param>
public readonly record struct SourcePosition(string KernelId, long Segment, long Offset, long Sequence);

/// <summary>One record of the journal. Immutable; its bytes are its own.</summary>
public sealed record JournalEntry
{
    /// <summary>The number, from 1; 0 before the journal has given it.</summary>
    public long Sequence { get; init; }

    /// <summary>When it was recorded, UTC.</summary>
    public DateTimeOffset Time { get; init; }

    /// <summary>What it records.</summary>
    public required JournalEntryKind Kind { get; init; }

    /// <summary>The channel of a kernel message.</summary>
    public JournalChannel Channel { get; init; }

    /// <summary>The context it belongs to; empty when it belongs to none.</summary>
    public string ContextId { get; init; } = "";

    /// <summary>The execution or command it belongs to; empty when it belongs to none.</summary>
    public string ExecutionId { get; init; } = "";

    /// <summary>Where in the kernel's log it came from; <c>null</c> when it came from elsewhere.</summary>
    public SourcePosition? Source { get; init; }

    /// <summary>The content, see <see cref="JournalEntryKind"/>.</summary>
    public required IReadOnlyList<ReadOnlyMemory<byte>> Frames { get; init; }
}
