using KernelGateway.Contracts;
using KernelGateway.Contracts.Executions;

namespace KernelGateway.Client;

/// <summary>How a command ended, and what it put out.</summary>
public sealed record CommandOutcome
{
    /// <summary>As a shell gives it: 127 not found, 126 not executable, 128+N after signal N; <c>null</c> when its end was not seen.</summary>
    public required int? ExitCode { get; init; }

    /// <summary>All of its standard output; bytes that are not UTF-8 are replaced.</summary>
    public required string Stdout { get; init; }

    /// <summary>All of its standard error; bytes that are not UTF-8 are replaced.</summary>
    public required string Stderr { get; init; }

    /// <summary>How long it ran; zero when that is not known.</summary>
    public required TimeSpan Duration { get; init; }

    /// <summary>Why it ended, when the code does not say it all.</summary>
    public string? Reason { get; init; }

    /// <summary>The same in one stable word of <see cref="ReasonCodes"/>.</summary>
    public string? ReasonCode { get; init; }

    /// <summary>The limits of the sandbox that were met while it ran.</summary>
    public IReadOnlyList<Violation> Violations { get; init; } = [];

    /// <summary>True when output is missing here: more than <see cref="CommandOptions.KeepBytes"/>, or the journal itself had to leave something out.</summary>
    public required bool Truncated { get; init; }

    /// <summary>Whether it ended by itself with code 0.</summary>
    public bool Success => ExitCode == 0 && ReasonCode is null;

    /// <summary>Whether it was ended for its time limit.</summary>
    public bool TimedOut => ReasonCode == ReasonCodes.Timeout;
}
