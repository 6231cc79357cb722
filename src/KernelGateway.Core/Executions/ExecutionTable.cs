using KernelGateway.Contracts.Executions;
using KernelGateway.Core.Journals;

namespace KernelGateway.Core.Executions;

/// <summary>The executions of one sandbox that are remembered: all that have not ended, and the newest of those that have.</summary>
internal sealed class ExecutionTable(string sandboxId, int keepEnded)
{
    private readonly Lock gate = new();
    private readonly Dictionary<string, Execution> byId = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Execution> byKey = new(StringComparer.Ordinal);
    private readonly Queue<Execution> order = new();

    public Execution? Find(string id)
    {
        lock (gate)
        {
            return byId.GetValueOrDefault(id);
        }
    }

    /// <summary>Newest first.</summary>
    public IReadOnlyList<Execution> List(int limit)
    {
        lock (gate)
        {
            return [.. order.Reverse().Take(limit)];
        }
    }

    /// <summary>Executions that have not ended, in the order in which they were accepted.</summary>
    public IReadOnlyList<Execution> Open(string contextId)
    {
        lock (gate)
        {
            return [.. order.Where(e => !e.HasEnded && e.Info.ContextId == contextId)];
        }
    }

    public Execution? FindByKey(string key)
    {
        lock (gate)
        {
            return byKey.GetValueOrDefault(key);
        }
    }

    public void Add(Execution execution)
    {
        lock (gate)
        {
            byId[execution.Id] = execution;
            order.Enqueue(execution);
            if (execution.Request.IdempotencyKey is { } key)
            {
                byKey[key] = execution;
            }

            while (order.Count > keepEnded && order.Peek().HasEnded)
            {
                var oldest = order.Dequeue();
                byId.Remove(oldest.Id);
                if (oldest.Request.IdempotencyKey is { } oldKey && byKey.GetValueOrDefault(oldKey) == oldest)
                {
                    byKey.Remove(oldKey);
                }
            }
        }
    }

    /// <summary>Their sandbox was paused for a while: that time is not theirs.</summary>
    public void StandStill(TimeSpan time)
    {
        lock (gate)
        {
            foreach (var open in order.Where(e => e is { HasEnded: false, Info.StartedAt: not null }))
            {
                open.StoodStill += time;
            }
        }
    }

    /// <summary>Takes in an entry of a journal that is being opened.</summary>
    public void Replay(JournalEntry entry, string? messageType)
    {
        if (entry.ExecutionId.Length == 0)
        {
            return;
        }

        if (entry.Kind == JournalEntryKind.ExecutionQueued)
        {
            Add(new Execution(
                new ExecutionInfo
                {
                    Id = entry.ExecutionId,
                    SandboxId = sandboxId,
                    ContextId = entry.ContextId,
                    State = ExecutionState.Queued,
                    CreatedAt = entry.Time,
                    FirstSequence = entry.Sequence,
                },
                Notes.Read<Notes.QueuedNote>(entry)));
            return;
        }

        if (Find(entry.ExecutionId) is not { } execution)
        {
            return;
        }

        if (entry.Kind == JournalEntryKind.ExecutionFinished)
        {
            var note = Notes.Read<Notes.FinishedNote>(entry);
            execution.Update(i => note.Apply(i, entry));
            execution.SignalFinished();
        }
        else if (entry.Kind == JournalEntryKind.Omitted)
        {
            ExecutionProgress.Omit(execution, Notes.Read<Notes.OmittedNote>(entry), entry.Time);
        }
        else if (entry.Kind == JournalEntryKind.EgressDenied)
        {
            ExecutionProgress.Deny(execution, Notes.Read<Notes.EgressDeniedNote>(entry), entry.Time);
        }
        else if (entry.Kind == JournalEntryKind.Escalation)
        {
            var note = Notes.Read<Notes.EscalationNote>(entry);
            execution.Stop = new StopCause(note.ReasonCode, note.Reason);
            execution.Take(note, entry.Time);
        }
        else if (entry.Kind == JournalEntryKind.KernelMessage && messageType is not null && !execution.HasEnded)
        {
            execution.Output.Replay(messageType, entry);
            ExecutionProgress.Apply(execution, messageType, entry);
        }
    }
}
