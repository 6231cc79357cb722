using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Contracts.Webhooks;

namespace KernelGateway.Core.Journals;

/// <summary>One entry that tells of the life of a sandbox.</summary>
/// <param name="Sequence">Its number.</param>
/// <param name="Type">One of <see cref="WebhookEventTypes"/>.</param>
internal readonly record struct LifeMark(long Sequence, string Type);

/// <summary>Where in a journal the life of its sandbox is told, so that nobody has to read all of it for that.</summary>
internal sealed class LifeMarks
{
    /// <summary>Beyond this the oldest are forgotten: nobody has asked for them in time.</summary>
    internal const int Most = 10_000;

    private readonly Lock _gate = new();
    private readonly List<LifeMark> _marks = [];
    private bool _paused;

    /// <summary>Looks at the next entry; true when it is one of them.</summary>
    public bool Take(JournalEntry entry)
    {
        lock (_gate)
        {
            if (TypeOf(entry) is not { } type)
            {
                return false;
            }

            if (_marks.Count == Most)
            {
                _marks.RemoveRange(0, Most / 10);
            }

            _marks.Add(new LifeMark(entry.Sequence, type));
            return true;
        }
    }

    /// <summary>The first after a number; null when there is none yet.</summary>
    public LifeMark? NextAfter(long sequence)
    {
        lock (_gate)
        {
            var at = _marks.BinarySearch(new LifeMark(sequence, ""), BySequence);
            at = at < 0 ? ~at : at + 1;
            return at < _marks.Count ? _marks[at] : null;
        }
    }

    private static readonly Comparer<LifeMark> BySequence = Comparer<LifeMark>.Create((a, b) => a.Sequence.CompareTo(b.Sequence));

    private string? TypeOf(JournalEntry entry)
    {
        switch (entry.Kind)
        {
            case JournalEntryKind.SandboxChanged:
                return WebhookEventTypes.Changed;
            case JournalEntryKind.SandboxSnapshotted:
                return WebhookEventTypes.Snapshotted;
            case JournalEntryKind.ExecutionFinished:
                return WebhookEventTypes.ExecutionFinished;
            case JournalEntryKind.SandboxState when Enum.TryParse<SandboxState>(Notes.Read<Notes.StateNote>(entry).State, out var state):
                var wasPaused = _paused;
                _paused = state == SandboxState.Paused;
                return state switch
                {
                    SandboxState.Starting => WebhookEventTypes.Created,
                    SandboxState.Running => wasPaused ? WebhookEventTypes.Resumed : WebhookEventTypes.Running,
                    SandboxState.Paused => WebhookEventTypes.Paused,
                    SandboxState.Terminating => null,
                    _ => WebhookEventTypes.Ended,
                };
            default:
                return null;
        }
    }
}
