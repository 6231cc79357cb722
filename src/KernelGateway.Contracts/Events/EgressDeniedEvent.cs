namespace KernelGateway.Contracts.Events;

/// <summary>Code wanted to reach a host that the network policy does not allow. Which execution it was is a guess: the one that ran.</summary>
public sealed record EgressDeniedEvent : SandboxEvent
{
    /// <summary>The host as it was asked for, shortened and without control characters.</summary>
    public required string Host { get; init; }

    /// <summary>The port; 0 when it was none.</summary>
    public required int Port { get; init; }

    /// <summary>Which rule refused it.</summary>
    public required string Rule { get; init; }

    /// <summary>The way out, in a sentence.</summary>
    public required string Hint { get; init; }

    /// <summary>How many denials before this one have no event, because there were too many in a short time.</summary>
    public required long NotRecorded { get; init; }
}
