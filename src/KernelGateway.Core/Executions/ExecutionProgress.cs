using KernelGateway.Contracts.Executions;
using KernelGateway.Core.Journals;
using KernelGateway.Jupyter.Messaging;

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
                execution.ErrorName = Content(entry).Text("ename");
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

    /// <summary>True when the reply and the idle status are both there: nothing more will come.</summary>
    public static bool IsComplete(Execution execution) => execution.IdleSeen && execution.ReplyStatus is not null;

    /// <summary>How a completed run ended.</summary>
    public static Notes.FinishedNote Outcome(Execution execution)
    {
        var status = execution.StopRequest switch
        {
            StopRequest.Timeout => ExecutionStatus.Timeout,
            _ when execution.ReplyStatus == "ok" => ExecutionStatus.Ok,
            StopRequest.Interrupt => ExecutionStatus.Interrupted,
            _ when execution.ReplyStatus is "aborted" or "abort" => ExecutionStatus.Cancelled,
            _ => ExecutionStatus.Error,
        };
        return new Notes.FinishedNote(status, status == ExecutionStatus.Error ? execution.ErrorName : null, execution.Info.ExecutionCount);
    }

    private static bool IsStatus(JournalEntry entry, string state) => Content(entry).Text("execution_state") == state;

    private static MessageBody Content(JournalEntry entry)
    {
        MessageBody.TryRead(entry.Frames.Count > 3 ? entry.Frames[3] : default, out var content);
        return content;
    }
}

/// <summary>Why a running execution was asked to stop.</summary>
internal enum StopRequest
{
    None,
    Interrupt,
    Timeout,
}
