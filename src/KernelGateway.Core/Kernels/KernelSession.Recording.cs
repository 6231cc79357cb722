using KernelGateway.Core.Errors;
using KernelGateway.Core.Executions;
using KernelGateway.Core.Journals;

namespace KernelGateway.Core.Kernels;

/// <summary>What its kernel says, on the way into the journal.</summary>
internal sealed partial class KernelSession
{
    /// <summary>Puts what the kernel said into the journal, and moves the run it belongs to.</summary>
    private async Task RecordAsync(IReadOnlyList<KernelOutput> outputs, CancellationToken cancellationToken)
    {
        var drafts = new List<JournalEntry>(outputs.Count + 1);
        List<(Execution Execution, Notes.FinishedNote Note, int Index)>? ended = null;
        KernelLink? interrupt = null;
        var gap = false;
        lock (_gate)
        {
            var now = _time.GetUtcNow();
            var clock = _time.GetElapsedTime(0);
            foreach (var output in outputs)
            {
                // By connection, not by claim: only executions of this very context are looked at.
                var execution = output.ParentId is null ? null : _executions.Find(output.ParentId);
                if (execution is not null && execution.Info.ContextId != Id)
                {
                    execution = null;
                }

                var draft = output.Draft with { ContextId = Id, ExecutionId = execution?.Id ?? "", Time = now };
                if (execution is not null && execution.Output.Refuse(output.MessageType, draft, _options, clock) is { } refusal)
                {
                    LeaveOut(drafts, execution, output.MessageType, draft, refusal);
                    continue;
                }

                drafts.Add(draft);
                gap |= draft.Kind == JournalEntryKind.Gap;
                if (execution is not null && draft.Kind == JournalEntryKind.Omitted)
                {
                    ExecutionProgress.Omit(execution, Notes.Read<Notes.OmittedNote>(draft), now);
                }

                if (execution is null || execution != _current || output.MessageType.Length == 0)
                {
                    continue;
                }

                var began = execution.Info.StartedAt is null;
                ExecutionProgress.Apply(execution, output.MessageType, draft);
                if (began && execution.Info.StartedAt is not null && execution.Stop is not null)
                {
                    interrupt = _link;
                }

                if (ExecutionProgress.IsComplete(execution))
                {
                    var note = Conclude(execution, ExecutionProgress.Outcome(execution));
                    (ended ??= []).Add((execution, note, drafts.Count));
                    drafts.Add(FinishedEntry(execution, note));
                    _current = null; // Nothing further of this batch can be its progress.
                }
            }
        }

        var last = await AppendAsync(drafts, cancellationToken);
        if (ended is not null)
        {
            lock (_gate)
            {
                foreach (var (execution, note, index) in ended)
                {
                    Settle(execution, note, drafts[index], last - drafts.Count + 1 + index);
                }

                SendNext();
            }
        }

        if (gap)
        {
            AskForLostEnd();
        }

        if (interrupt is not null)
        {
            await InterruptBegunAsync(interrupt, cancellationToken);
        }
    }

    /// <summary>Puts one entry in the place of all neighbours that are left out. It carries their place in the kernel's log, so that the log can be let go.</summary>
    private static void LeaveOut(List<JournalEntry> drafts, Execution execution, string messageType, JournalEntry draft, Refusal refusal)
    {
        var bytes = OutputMeter.SizeOf(draft);
        var note = new Notes.OmittedNote(refusal.Reason, messageType, 1, bytes, refusal.Code);
        ExecutionProgress.Omit(execution, note, draft.Time);
        if (drafts.Count > 0 && drafts[^1] is { Kind: JournalEntryKind.Omitted } before && before.ExecutionId == execution.Id
            && Notes.Read<Notes.OmittedNote>(before) is var same && same.Reason == refusal.Reason)
        {
            drafts.RemoveAt(drafts.Count - 1);
            note = note with { Messages = same.Messages + 1, Bytes = same.Bytes + bytes };
        }

        drafts.Add(draft with { Kind = JournalEntryKind.Omitted, Channel = JournalChannel.None, Frames = Notes.Frame(note) });
    }

    /// <summary>Appends, waiting as long as the journal is full: what the kernel has not been acknowledged it keeps, and in the end it blocks.</summary>
    private async Task<long> AppendAsync(List<JournalEntry> drafts, CancellationToken cancellationToken)
    {
        var told = false;
        while (true)
        {
            try
            {
                return _journal.Append(drafts);
            }
            catch (GatewayException e) when (e.Code == ErrorCode.StorageFull)
            {
                if (!told)
                {
                    told = true;
                    LogStorageFull(_logger, _sandboxId, e.Message);
                }

                await Task.Delay(_options.StorageRetry, _time, cancellationToken);
            }
        }
    }
}
