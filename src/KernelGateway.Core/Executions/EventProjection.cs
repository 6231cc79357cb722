using System.Text;
using System.Text.Unicode;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Executions;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Journals;
using KernelGateway.Jupyter.Messaging;

namespace KernelGateway.Core.Executions;

/// <summary>Turns a journal entry into the native event. Pure: the same entry always gives the same event, and every entry gives one.</summary>
public static class EventProjection
{
    /// <summary>The <see cref="OmittedEvent.MessageType"/> of what was left out of a command's output.</summary>
    public const string CommandOutput = "commandOutput";

    /// <summary>The event of an entry.</summary>
    public static SandboxEvent Project(JournalEntry entry)
    {
        ArgumentNullException.ThrowIfNull(entry);
        var shape = entry.Kind == JournalEntryKind.KernelMessage ? ProjectMessage(entry) : ProjectNote(entry);
        var ofCommand = shape is CommandStartedEvent or CommandOutputEvent or CommandFinishedEvent or OmittedEvent { MessageType: CommandOutput };
        var id = entry.ExecutionId.Length == 0 ? null : entry.ExecutionId;
        return shape with
        {
            Sequence = entry.Sequence,
            Time = entry.Time,
            ExecutionId = ofCommand ? null : id,
            CommandId = ofCommand ? id : null,
            ContextId = entry.ContextId.Length == 0 ? null : entry.ContextId,
        };
    }

    private static SandboxEvent ProjectNote(JournalEntry entry)
    {
        switch (entry.Kind)
        {
            case JournalEntryKind.ExecutionQueued:
                return new ExecutionQueuedEvent { Code = Notes.Read<Notes.QueuedNote>(entry).Code };
            case JournalEntryKind.ExecutionFinished:
                var finished = Notes.Read<Notes.FinishedNote>(entry);
                return new ExecutionFinishedEvent { Status = finished.Status, Reason = finished.Reason, ExecutionCount = finished.ExecutionCount, ReasonCode = finished.ReasonCode, Violations = finished.Violations ?? [], Output = finished.Output ?? new OutputCounters(0, 0, 0, 0), ExitCode = finished.ExitCode };
            case JournalEntryKind.KernelState:
                var kernel = Notes.Read<Notes.StateNote>(entry);
                return new KernelStateEvent { State = Enum.Parse<KernelState>(kernel.State), Reason = kernel.Reason, ReasonCode = kernel.ReasonCode };
            case JournalEntryKind.SandboxState:
                var sandbox = Notes.Read<Notes.StateNote>(entry);
                return new SandboxStateEvent { State = Enum.Parse<SandboxState>(sandbox.State), Reason = sandbox.Reason, ReasonCode = sandbox.ReasonCode };
            case JournalEntryKind.Omitted:
                var omitted = Notes.Read<Notes.OmittedNote>(entry);
                return new OmittedEvent { Reason = omitted.Reason, MessageType = omitted.MessageType, Messages = omitted.Messages, Bytes = omitted.Bytes, ReasonCode = omitted.ReasonCode };
            case JournalEntryKind.Truncated:
                var truncated = Notes.Read<Notes.TruncatedNote>(entry);
                return new TruncatedEvent { FirstMissing = truncated.FirstMissing, Reason = truncated.Reason };
            case JournalEntryKind.EgressDenied:
                var denied = Notes.Read<Notes.EgressDeniedNote>(entry);
                return new EgressDeniedEvent { Host = denied.Host, Port = denied.Port, Rule = denied.Rule, Hint = denied.Hint, NotRecorded = denied.NotRecorded };
            case JournalEntryKind.CommandStarted:
                var command = Notes.Read<Notes.CommandNote>(entry);
                return new CommandStartedEvent { Command = command.Command, Argv = command.Argv, Cwd = command.Cwd };
            case JournalEntryKind.CommandOutput:
                return ProjectOutput(entry);
            case JournalEntryKind.CommandFinished:
                var end = Notes.Read<Notes.CommandEndNote>(entry);
                return new CommandFinishedEvent { ExitCode = end.ExitCode, DurationSeconds = end.Seconds, Reason = end.Reason, ReasonCode = end.ReasonCode, Violations = end.Violations ?? [] };
            case JournalEntryKind.Escalation:
                var step = Notes.Read<Notes.EscalationNote>(entry);
                return new EscalationEvent { Step = step.Step, ReasonCode = step.ReasonCode, Reason = step.Reason };
            case JournalEntryKind.SandboxSnapshotted:
                var snapshot = Notes.Read<Notes.SnapshotNote>(entry);
                return new SandboxSnapshottedEvent { SnapshotId = snapshot.Id, Name = snapshot.Name, Size = snapshot.Size, Files = snapshot.Files, Variables = snapshot.Variables, NotKept = snapshot.NotKept };
            case JournalEntryKind.SandboxRestored:
                var restored = Notes.Read<Notes.RestoredNote>(entry);
                return new SandboxRestoredEvent { SnapshotId = restored.SnapshotId, Files = restored.Files, Variables = restored.Variables, NotRestored = restored.NotRestored, Warnings = restored.Warnings ?? [] };
            case JournalEntryKind.SandboxChanged:
                var change = Notes.Read<Notes.ChangeNote>(entry);
                return new SandboxChangedEvent
                {
                    Name = change.Name,
                    Tags = change.Tags,
                    TimeoutSeconds = change.TimeoutSeconds,
                    IdleTimeoutSeconds = change.IdleTimeoutSeconds,
                    LifetimeSeconds = change.LifetimeSeconds,
                    Limits = change.Limits,
                };
            default:
                return new GapEvent { Reason = Notes.Read<Notes.GapNote>(entry).Reason };
        }
    }

    /// <summary>What is not UTF-8 is given as it is; the agent never cuts a character in two.</summary>
    private static CommandOutputEvent ProjectOutput(JournalEntry entry)
    {
        var bytes = entry.Frames[1].Span;
        var isText = Utf8.IsValid(bytes);
        return new CommandOutputEvent
        {
            Stream = entry.Frames[0].Span.SequenceEqual("stderr"u8) ? "stderr" : "stdout",
            Text = isText ? Encoding.UTF8.GetString(bytes) : null,
            Base64 = isText ? null : Convert.ToBase64String(bytes),
        };
    }

    private static OmittedEvent Unreadable(string messageType, JournalEntry entry) => new()
    {
        Reason = "The message is malformed.",
        MessageType = messageType,
        Messages = 1,
        Bytes = entry.Frames.Sum(f => (long)f.Length),
    };

    private static SandboxEvent ProjectMessage(JournalEntry entry)
    {
        if (JupyterMessage.TryParse(entry.Frames, out var message) != MessageFault.None)
        {
            return Unreadable("", entry);
        }

        if (!MessageBody.TryRead(message!.ContentBytes, out var content))
        {
            return Unreadable(message.MsgType, entry);
        }

        switch (message.MsgType)
        {
            case MessageTypes.Stream:
                return new OutputEvent { Stream = content.Text("name") == "stderr" ? "stderr" : "stdout", Text = content.Text("text") ?? "" };
            case MessageTypes.ExecuteResult:
                return new ResultEvent { Data = content.Bundle("data"), Metadata = content.Object("metadata"), ExecutionCount = content.Number("execution_count") };
            case MessageTypes.DisplayData:
            case MessageTypes.UpdateDisplayData:
                return new DisplayEvent
                {
                    Data = content.Bundle("data"),
                    Metadata = content.Object("metadata"),
                    DisplayId = content.TextIn("transient", "display_id"),
                    Update = message.MsgType == MessageTypes.UpdateDisplayData,
                };
            case MessageTypes.ClearOutput:
                return new ClearOutputEvent { Wait = content.Flag("wait") };
            case MessageTypes.Error when entry.Channel == JournalChannel.Iopub:
                return new ErrorEvent { Name = content.Text("ename") ?? "", Value = content.Text("evalue") ?? "", Traceback = content.Texts("traceback") };
            case MessageTypes.InputRequest:
                return new InputRequestEvent { Prompt = content.Text("prompt") ?? "", Password = content.Flag("password") };
            case MessageTypes.ExecuteInput when entry.ExecutionId.Length > 0:
                return new ExecutionStartedEvent { ExecutionCount = content.Number("execution_count") };
            case MessageTypes.Status when entry.ExecutionId.Length > 0 && content.Text("execution_state") is "busy" or "idle":
                return new KernelStateEvent { State = content.Text("execution_state") == "busy" ? KernelState.Busy : KernelState.Idle };
            default:
                return new KernelMessageEvent { MessageType = message.MsgType, Content = content.Element };
        }
    }
}
