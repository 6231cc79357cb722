namespace KernelGateway.Contracts.Events;

/// <summary>Messages were left out here: too large, malformed, or over a limit of the execution. Everything around them is there.</summary>
public sealed record OmittedEvent : SandboxEvent
{
    /// <summary>Why, in a sentence.</summary>
    public required string Reason { get; init; }

    /// <summary>The limit, when it was one: <c>output</c> (size and number) or <c>rate</c>; see <see cref="ReasonCodes"/>.</summary>
    public string? ReasonCode { get; init; }

    /// <summary>The Jupyter <c>msg_type</c> of what was left out; the last one when there were several; empty when it cannot be read.</summary>
    public required string MessageType { get; init; }

    /// <summary>How many messages.</summary>
    public required long Messages { get; init; }

    /// <summary>Their size together, bytes.</summary>
    public required long Bytes { get; init; }
}

/// <summary>Events up to this one's number are gone: the journal reached its limit of size or age, or was damaged.</summary>
public sealed record TruncatedEvent : SandboxEvent
{
    /// <summary>The number of the first event that is missing for this reader; the last one is <see cref="SandboxEvent.Sequence"/>.</summary>
    public required long FirstMissing { get; init; }

    /// <summary>Why they are gone.</summary>
    public required string Reason { get; init; }
}

/// <summary>Something may be missing here that nobody observed or that could not be read.</summary>
public sealed record GapEvent : SandboxEvent
{
    /// <summary>Why.</summary>
    public required string Reason { get; init; }
}
