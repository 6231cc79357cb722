using KernelGateway.Contracts;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Executions;
using KernelGateway.Core.Faults;
using KernelGateway.Core.Journals;
using KernelGateway.Core.KernelLogs;
using KernelGateway.Core.Provisioning;

namespace KernelGateway.Core.Commands;

/// <summary>From the log of a command into the journal, with the place in the log, so that nothing is lost or doubled when the gateway ends in between.</summary>
internal sealed partial class SandboxCommands
{
    private const int BatchEntries = 256;
    private const int BatchBytes = 1 << 20;

    private async Task FollowAsync(Command command, IKernelHost host, ICommandHost power, KernelLogReader reader)
    {
        using var log = reader;
        using var activity = command.Activity!;
        _ = host.Exited.ContinueWith(_ => activity.Wake(), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        try
        {
            while (!_stop.IsCancellationRequested)
            {
                // Asked before looking: when it has ended and a look after that finds nothing, nothing more can come.
                var ended = host.Exited.IsCompleted;
                var saidAll = power.HasSaidAll(command.Id);
                var batch = new List<JournalEntry>();
                var note = Fill(command, reader, batch, out var troubled);
                if (batch.Count > 0)
                {
                    var last = await AppendAsync(command, batch, _stop.Token);
                    Fault.At("command.before_acknowledge");
                    reader.Acknowledge(reader.Position);
                    if (note is not null)
                    {
                        Settle(command, note, batch[^1] with { Sequence = last });
                        await ForgetAsync(power, command.Id);
                        return;
                    }

                    continue;
                }

                if (ended)
                {
                    var exit = await host.Exited;
                    Finish(command, CommandEnd.Lost(exit.Reason, exit.Message));
                    return;
                }

                if (saidAll && !troubled)
                {
                    Finish(command, CommandEnd.Lost(ReasonCodes.Lost, "Code in the sandbox took its log away, so how it ended is not known."));
                    await ForgetAsync(power, command.Id);
                    return;
                }

                reader.Acknowledge(reader.Position); // One whose disk is full waits for the room.
                await activity.WaitAsync(_stop.Token);
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // Let go of: whoever comes next reads on.
        }
        catch (ObjectDisposedException)
        {
            // The journal is closed: the sandbox is being removed.
        }
#pragma warning disable CA1031 // A fault of ours in reading: nobody must wait for ever.
        catch (Exception e)
#pragma warning restore CA1031
        {
            LogReadingFailed(logger, e, sandboxId, command.Id);
            Finish(command, CommandEnd.Lost(ReasonCodes.Lost, "Its output can no longer be read; the gateway's log says why."));
            await ForgetAsync(power, command.Id);
        }
    }

    /// <summary>Takes what is in the log; the note when its end is among that, as the last entry.</summary>
    private Notes.CommandEndNote? Fill(Command command, KernelLogReader reader, List<JournalEntry> batch, out bool troubled)
    {
        troubled = false;
        long bytes = 0;
        while (batch.Count < BatchEntries && bytes < BatchBytes)
        {
            KernelLogRecord? record;
            try
            {
                if (!reader.TryRead(out record) && reader.Fault is null)
                {
                    return null;
                }
            }
            catch (IOException)
            {
                troubled = true;
                return null; // The gateway is in trouble; nothing is lost: it is read when that is over.
            }

            var source = new SourcePosition(command.Id, reader.Position.Segment, reader.Position.Offset, reader.Position.Sequence);
            switch (record)
            {
                case { Kind: KernelLogKind.CommandOutput, Frames: [var name, var data] }:
                    bytes += data.Length;
                    Keep(command, batch, Entry(JournalEntryKind.CommandOutput, command.Id, [name, data], source), data.Length);
                    break;
                case { Kind: KernelLogKind.CommandEnd }:
                    return End(command, batch, CommandEnd.Read(record, command.Killed, HasRunOutOfMemory(command), command.Note.TimeoutSeconds), source);
                default:
                    var why = reader.Fault?.Message ?? "A record is of another kind than those of commands.";
                    batch.Add(Entry(JournalEntryKind.Gap, command.Id, Notes.Frame(new Notes.GapNote($"The log of the command is damaged: {why}")), source));
                    if (reader.Fault is { Kind: KernelLogFaultKind.Folder })
                    {
                        return End(command, batch, CommandEnd.Lost(ReasonCodes.Lost, "Its output can no longer be read."), source);
                    }

                    break;
            }
        }

        return null;
    }

    private Notes.CommandEndNote End(Command command, List<JournalEntry> batch, Notes.CommandEndNote note, SourcePosition source)
    {
        if (command.CountersBefore is { } before && _host?.PowerOf<IMeasurable>()?.ReadCounters() is { } now)
        {
            command.Violations.AddCounted(before, now, time.GetUtcNow());
        }

        note = note with { Violations = command.Violations.Seen.Count > 0 ? command.Violations.Seen : null };
        batch.Add(Entry(JournalEntryKind.CommandFinished, command.Id, Notes.Frame(note), source));
        return note;
    }

    private bool HasRunOutOfMemory(Command command) =>
        command.CountersBefore?.OomKills is { } before && _host?.PowerOf<IMeasurable>()?.ReadCounters().OomKills > before;

    private void Keep(Command command, List<JournalEntry> batch, JournalEntry entry, long size)
    {
        if (command.Output.RefusePiece(size, options) is not { } refusal)
        {
            batch.Add(entry);
            return;
        }

        var note = new Notes.OmittedNote(refusal.Reason, EventProjection.CommandOutput, 1, size, refusal.Code);
        command.Output.Drop(1, size);
        command.Violations.Add(refusal.Code, refusal.Reason, entry.Time);
        if (batch.Count > 0 && batch[^1].Kind == JournalEntryKind.Omitted)
        {
            // One for all neighbours, with the place behind the last of them.
            var before = Notes.Read<Notes.OmittedNote>(batch[^1]);
            note = note with { Messages = before.Messages + 1, Bytes = before.Bytes + size };
            batch.RemoveAt(batch.Count - 1);
        }

        batch.Add(entry with { Kind = JournalEntryKind.Omitted, Frames = Notes.Frame(note) });
    }

    /// <summary>Waits as long as the journal is full: what is not acknowledged stays in the log, and in the end the command waits.</summary>
    private async Task<long> AppendAsync(Command command, List<JournalEntry> batch, CancellationToken cancellationToken)
    {
        for (var told = false; ; told = true)
        {
            try
            {
                return journal.Append(batch);
            }
            catch (GatewayException e) when (e.Code == ErrorCode.StorageFull)
            {
                if (!told)
                {
                    LogStorageFull(logger, sandboxId, command.Id, e.Message);
                }

                await Task.Delay(options.StorageRetry, time, cancellationToken);
            }
        }
    }
}
