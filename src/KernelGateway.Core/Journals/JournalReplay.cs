using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Commands;
using KernelGateway.Core.Executions;
using KernelGateway.Jupyter.Messaging;

namespace KernelGateway.Core.Journals;

/// <summary>What a journal that is being opened says about where its sandbox stood.</summary>
internal sealed class JournalReplay(ExecutionTable executions, CommandTable commands)
{
    private readonly Dictionary<string, SourcePosition> _positions = new(StringComparer.Ordinal);

    /// <summary>When the last entry was recorded; null when there is none.</summary>
    public DateTimeOffset? LastTime { get; private set; }

    /// <summary>Since when the sandbox stands still; null when it does not.</summary>
    public DateTimeOffset? PausedAt { get; private set; }

    /// <summary>How far the log of a kernel is in the journal; null: nothing of it.</summary>
    public SourcePosition? PositionIn(string kernelId) => _positions.TryGetValue(kernelId, out var position) ? position : null;

    public void Take(JournalEntry entry)
    {
        LastTime = entry.Time;
        if (entry.Source is { } source)
        {
            _positions[source.KernelId] = source;
        }

        if (entry.Kind == JournalEntryKind.SandboxState)
        {
            TakeState(entry);
        }

        if (entry.ExecutionId.Length > 0)
        {
            commands.Replay(entry);
            executions.Replay(entry, entry.Kind == JournalEntryKind.KernelMessage ? TypeOf(entry) : null);
        }
    }

    private void TakeState(JournalEntry entry)
    {
        var paused = Notes.Read<Notes.StateNote>(entry).State == nameof(SandboxState.Paused);
        if (PausedAt is { } since && !paused)
        {
            executions.StandStill(entry.Time - since);
        }

        PausedAt = !paused ? null : PausedAt ?? entry.Time;
    }

    private static string? TypeOf(JournalEntry entry) =>
        JupyterMessage.TryParse(entry.Frames, out var message) == MessageFault.None ? message!.MsgType : null;
}
