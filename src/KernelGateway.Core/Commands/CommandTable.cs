using KernelGateway.Contracts.Commands;
using KernelGateway.Core.Journals;

namespace KernelGateway.Core.Commands;

/// <summary>The commands of one sandbox that are remembered: all that run, and the newest of those that have ended.</summary>
internal sealed class CommandTable(string sandboxId, int keepEnded)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Command> _byId = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Command> _byKey = new(StringComparer.Ordinal);
    private readonly LinkedList<Command> _order = [];

    public Command? Find(string id)
    {
        lock (_gate)
        {
            return _byId.GetValueOrDefault(id);
        }
    }

    public Command? FindByKey(string key)
    {
        lock (_gate)
        {
            return _byKey.GetValueOrDefault(key);
        }
    }

    /// <summary>Newest first.</summary>
    public IReadOnlyList<Command> List(int limit)
    {
        lock (_gate)
        {
            return [.. _order.Reverse().Take(limit)];
        }
    }

    /// <summary>Those that have not ended.</summary>
    public IReadOnlyList<Command> Open()
    {
        lock (_gate)
        {
            return [.. _order.Where(command => !command.HasEnded)];
        }
    }

    public Command Add(string id, Notes.CommandNote note, long sequence, DateTimeOffset time)
    {
        var command = new Command(
            new CommandInfo
            {
                Id = id,
                SandboxId = sandboxId,
                State = CommandState.Running,
                Command = note.Command,
                Argv = note.Argv,
                Cwd = note.Cwd,
                Terminal = note.Terminal,
                CreatedAt = time,
                FirstSequence = sequence,
            },
            note);
        lock (_gate)
        {
            _byId[id] = command;
            _order.AddLast(command);
            if (note.IdempotencyKey is { } key)
            {
                _byKey[key] = command;
            }

            // One that runs for long must not keep all that came after it.
            for (var node = _order.First; node is not null && _order.Count > keepEnded;)
            {
                var next = node.Next;
                if (node.Value.HasEnded)
                {
                    Remove(node);
                }

                node = next;
            }
        }

        return command;
    }

    /// <summary>Takes in an entry of a journal that is being opened.</summary>
    public void Replay(JournalEntry entry)
    {
        if (entry.Kind == JournalEntryKind.CommandStarted)
        {
            Add(entry.ExecutionId, Notes.Read<Notes.CommandNote>(entry), entry.Sequence, entry.Time);
            return;
        }

        if (entry.Kind is not (JournalEntryKind.CommandOutput or JournalEntryKind.CommandFinished or JournalEntryKind.Omitted)
            || Find(entry.ExecutionId) is not { } command)
        {
            return;
        }

        switch (entry.Kind)
        {
            case JournalEntryKind.CommandOutput:
                command.Output.CountPiece(entry.Frames[1].Length);
                break;
            case JournalEntryKind.Omitted:
                var note = Notes.Read<Notes.OmittedNote>(entry);
                command.Output.Drop(note.Messages, note.Bytes);
                command.Violations.Add(note.ReasonCode ?? Contracts.ReasonCodes.Output, note.Reason, entry.Time, note.Messages);
                break;
            default:
                command.End(Notes.Read<Notes.CommandEndNote>(entry), entry);
                break;
        }
    }

    private void Remove(LinkedListNode<Command> node)
    {
        _order.Remove(node);
        _byId.Remove(node.Value.Id);
        if (node.Value.Note.IdempotencyKey is { } key && _byKey.GetValueOrDefault(key) == node.Value)
        {
            _byKey.Remove(key);
        }
    }
}
