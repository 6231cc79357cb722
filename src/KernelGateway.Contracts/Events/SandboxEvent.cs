using System.Text.Json.Serialization;

namespace KernelGateway.Contracts.Events;

/// <summary>One numbered thing a sandbox said. Numbers rise by one without gaps per sandbox and are never used again.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "type", IgnoreUnrecognizedTypeDiscriminators = true)]
[JsonDerivedType(typeof(OutputEvent), "output")]
[JsonDerivedType(typeof(ResultEvent), "result")]
[JsonDerivedType(typeof(DisplayEvent), "display")]
[JsonDerivedType(typeof(ClearOutputEvent), "clearOutput")]
[JsonDerivedType(typeof(ErrorEvent), "error")]
[JsonDerivedType(typeof(InputRequestEvent), "inputRequest")]
[JsonDerivedType(typeof(ExecutionQueuedEvent), "executionQueued")]
[JsonDerivedType(typeof(ExecutionStartedEvent), "executionStarted")]
[JsonDerivedType(typeof(ExecutionFinishedEvent), "executionFinished")]
[JsonDerivedType(typeof(KernelStateEvent), "kernelState")]
[JsonDerivedType(typeof(SandboxStateEvent), "sandboxState")]
[JsonDerivedType(typeof(SandboxChangedEvent), "sandboxChanged")]
[JsonDerivedType(typeof(EscalationEvent), "escalation")]
[JsonDerivedType(typeof(SandboxSnapshottedEvent), "sandboxSnapshotted")]
[JsonDerivedType(typeof(SandboxRestoredEvent), "sandboxRestored")]
[JsonDerivedType(typeof(KernelMessageEvent), "kernelMessage")]
[JsonDerivedType(typeof(OmittedEvent), "omitted")]
[JsonDerivedType(typeof(TruncatedEvent), "truncated")]
[JsonDerivedType(typeof(GapEvent), "gap")]
[JsonDerivedType(typeof(EgressDeniedEvent), "egressDenied")]
[JsonDerivedType(typeof(CommandStartedEvent), "commandStarted")]
[JsonDerivedType(typeof(CommandOutputEvent), "commandOutput")]
[JsonDerivedType(typeof(CommandFinishedEvent), "commandFinished")]
public record SandboxEvent
{
    /// <summary>The event's number in its sandbox, from 1.</summary>
    public long Sequence { get; init; }

    /// <summary>When the gateway recorded it (UTC). Order by <see cref="Sequence"/>, never by time.</summary>
    public DateTimeOffset Time { get; init; }

    /// <summary>The execution it belongs to, when it belongs to one.</summary>
    public string? ExecutionId { get; init; }

    /// <summary>The context it belongs to, when it belongs to one.</summary>
    public string? ContextId { get; init; }

    /// <summary>The command it belongs to, when it belongs to one.</summary>
    public string? CommandId { get; init; }
}
