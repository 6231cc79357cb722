using KernelGateway.Contracts.Executions;
using KernelGateway.Contracts.Sandboxes;

namespace KernelGateway.Contracts.Events;

/// <summary>A run was accepted and waits for its turn. Its code is in the event, so that every reader knows what ran.</summary>
public sealed record ExecutionQueuedEvent : SandboxEvent
{
    /// <summary>The source to run.</summary>
    public required string Code { get; init; }
}

/// <summary>The kernel began with a run.</summary>
public sealed record ExecutionStartedEvent : SandboxEvent
{
    /// <summary>The kernel's counter.</summary>
    public int? ExecutionCount { get; init; }
}

/// <summary>A run has ended; nothing more of it will come.</summary>
public sealed record ExecutionFinishedEvent : SandboxEvent
{
    /// <summary>How it ended; <c>null</c> when the gateway was away and cannot tell whether it ever ran.</summary>
    public ExecutionStatus? Status { get; init; }

    /// <summary>Why, when the status does not say it all.</summary>
    public string? Reason { get; init; }

    /// <summary>The kernel's counter.</summary>
    public int? ExecutionCount { get; init; }
}

/// <summary>A kernel changed its state.</summary>
public sealed record KernelStateEvent : SandboxEvent
{
    /// <summary>The new state.</summary>
    public required KernelState State { get; init; }

    /// <summary>Why, for example how its process ended.</summary>
    public string? Reason { get; init; }
}

/// <summary>The sandbox changed its state.</summary>
public sealed record SandboxStateEvent : SandboxEvent
{
    /// <summary>The new state.</summary>
    public required SandboxState State { get; init; }

    /// <summary>Why.</summary>
    public string? Reason { get; init; }
}
