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

    /// <summary>The same in one stable word, see <see cref="ReasonCodes"/>; <c>null</c> when it ended well.</summary>
    public string? ReasonCode { get; init; }

    /// <summary>The limits the run came up against.</summary>
    public IReadOnlyList<Violation> Violations { get; init; } = [];

    /// <summary>The kernel's counter.</summary>
    public int? ExecutionCount { get; init; }

    /// <summary>How much the run put out, and how much of that was too much to keep.</summary>
    public OutputCounters Output { get; init; } = new(0, 0, 0, 0);

    /// <summary>What the code exited with (<c>sys.exit(3)</c>); <c>null</c> when it did not. 0 is a good end.</summary>
    public int? ExitCode { get; init; }
}

/// <summary>A kernel changed its state.</summary>
public sealed record KernelStateEvent : SandboxEvent
{
    /// <summary>The new state.</summary>
    public required KernelState State { get; init; }

    /// <summary>Why, for example how its process ended.</summary>
    public string? Reason { get; init; }

    /// <summary>Why it is dead, in one stable word, see <see cref="ReasonCodes"/>.</summary>
    public string? ReasonCode { get; init; }
}

/// <summary>The sandbox changed its state.</summary>
public sealed record SandboxStateEvent : SandboxEvent
{
    /// <summary>The new state.</summary>
    public required SandboxState State { get; init; }

    /// <summary>Why.</summary>
    public string? Reason { get; init; }

    /// <summary>Why it ended, in one stable word, see <see cref="ReasonCodes"/>.</summary>
    public string? ReasonCode { get; init; }
}

/// <summary>What its owner changed of the sandbox; members that did not change are <c>null</c>.</summary>
public sealed record SandboxChangedEvent : SandboxEvent
{
    /// <summary>The new name.</summary>
    public string? Name { get; init; }

    /// <summary>All tags, as they are now.</summary>
    public IReadOnlyDictionary<string, string>? Tags { get; init; }

    /// <summary>The new default time limit of executions, seconds; 0: none.</summary>
    public double? TimeoutSeconds { get; init; }

    /// <summary>The new idle time, seconds; 0: never.</summary>
    public double? IdleTimeoutSeconds { get; init; }

    /// <summary>The new lifetime, seconds after creation; 0: never.</summary>
    public double? LifetimeSeconds { get; init; }

    /// <summary>The new limits, in force from now on.</summary>
    public SandboxLimits? Limits { get; init; }
}

/// <summary>A step was taken to end a run: an interrupt, or more force because that did not help.</summary>
public sealed record EscalationEvent : SandboxEvent
{
    /// <summary>What was done.</summary>
    public required EscalationStep Step { get; init; }

    /// <summary>Why the run is to end: <c>timeout</c> or <c>interrupted</c>.</summary>
    public required string ReasonCode { get; init; }

    /// <summary>The same in a sentence, with who asked for it.</summary>
    public required string Reason { get; init; }
}
