using KernelGateway.Contracts;
using KernelGateway.Contracts.Executions;
using KernelGateway.Core.Journals;
using KernelGateway.Jupyter.Messaging;
using static KernelGateway.Core.Journals.Notes;

namespace KernelGateway.Core.Executions;

/// <summary>What a kernel's messages say of the run they belong to; the same whether they arrive now or are read back from the journal.</summary>
internal static class ExecutionProgress
{
    /// <summary>Takes one message of the run into its state.</summary>
    public static void Apply(Execution execution, string messageType, JournalEntry entry)
    {
        switch (messageType)
        {
            case MessageTypes.Status when IsStatus(entry, "busy"):
                execution.Update(i => i.State == ExecutionState.Queued
                    ? i with { State = ExecutionState.Running, StartedAt = entry.Time }
                    : i with { StartedAt = i.StartedAt ?? entry.Time });
                break;
            case MessageTypes.Status when IsStatus(entry, "idle"):
                execution.IdleSeen = true;
                break;
            case MessageTypes.ExecuteInput:
                var count = Content(entry).Number("execution_count");
                execution.Update(i => i with { ExecutionCount = count ?? i.ExecutionCount });
                break;
            case MessageTypes.Error when entry.Channel == JournalChannel.Iopub:
                var error = Content(entry);
                execution.ErrorName = error.Text("ename");
                execution.ErrorCause = CauseOf(error.Text("evalue") ?? "");
                break;
            case MessageTypes.ExecuteReply when execution.ReplyStatus is null:
                var reply = Content(entry);
                execution.ReplyStatus = reply.Text("status") ?? "error";
                execution.ErrorName ??= reply.Text("ename");
                execution.Update(i => i with { ExecutionCount = reply.Number("execution_count") ?? i.ExecutionCount });
                break;
            case MessageTypes.InputRequest:
                execution.Question = entry.Frames[0];
                execution.Update(i => i with { AwaitingInput = true });
                break;
        }
    }

    /// <summary>Counts what was left out of the run's output.</summary>
    public static void Omit(Execution execution, OmittedNote note, DateTimeOffset at)
    {
        execution.Output.Drop(note.Messages, note.Bytes);
        if (note.ReasonCode is { } limit)
        {
            execution.Violations.Add(limit, note.Reason, at, note.Messages);
        }
    }

    /// <summary>Counts a connection that the network policy refused to the run.</summary>
    public static void Deny(Execution execution, EgressDeniedNote note, DateTimeOffset at) =>
        execution.Violations.Add(ReasonCodes.EgressDenied, $"{note.Host}:{note.Port} was refused: {note.Rule}", at, 1 + note.NotRecorded);

    /// <summary>True when the reply and the idle status are both there: nothing more will come.</summary>
    public static bool IsComplete(Execution execution) => execution.IdleSeen && execution.ReplyStatus is not null;

    /// <summary>How a completed run ended.</summary>
    public static FinishedNote Outcome(Execution execution)
    {
        FinishedNote Note(ExecutionStatus status, string? reason, string? code) => new(status, reason, execution.Info.ExecutionCount, code);
        return execution.Stop switch
        {
            { IsTimeout: true } late => Note(ExecutionStatus.Timeout, late.Reason, late.Code),
            _ when execution.ReplyStatus == "ok" => Note(ExecutionStatus.Ok, null, null),
            { } interrupted => Note(ExecutionStatus.Interrupted, interrupted.Reason, interrupted.Code),
            _ when execution.ReplyStatus is "aborted" or "abort" => Note(ExecutionStatus.Cancelled, null, ReasonCodes.Aborted),
            _ => Note(ExecutionStatus.Error, execution.ErrorName, ReasonCodes.Error),
        };
    }

    /// <summary>The limit an error's text speaks of: only a hint, for the code can raise what it likes.</summary>
    private static string? CauseOf(string value) =>
        value.Contains("[Errno 28]", StringComparison.Ordinal) || value.Contains("[Errno 122]", StringComparison.Ordinal) || value.Contains("[Errno 27]", StringComparison.Ordinal) ? ReasonCodes.Disk
        : value.Contains("[Errno 11]", StringComparison.Ordinal) || value.Contains("can't start new thread", StringComparison.Ordinal) ? ReasonCodes.Pids
        : null;

    private static bool IsStatus(JournalEntry entry, string state) => Content(entry).Text("execution_state") == state;

    private static MessageBody Content(JournalEntry entry)
    {
        MessageBody.TryRead(entry.Frames.Count > 3 ? entry.Frames[3] : default, out var content);
        return content;
    }
}
