using System.Text.Json;
using KernelGateway.Contracts.Executions;

namespace KernelGateway.Client;

/// <summary>What a run printed, returned and raised.</summary>
public sealed record CodeResult
{
    /// <summary>The run; its state and times are those of its end.</summary>
    public required ExecutionInfo Execution { get; init; }

    /// <summary>All text on standard output, as printed.</summary>
    public required string Stdout { get; init; }

    /// <summary>All text on standard error, as printed.</summary>
    public required string Stderr { get; init; }

    /// <summary>Both streams as lines, in the order in which they were completed.</summary>
    public required IReadOnlyList<OutputMessage> Lines { get; init; }

    /// <summary>Everything displayed and the value of the last expression, in order.</summary>
    public required IReadOnlyList<RichResult> Results { get; init; }

    /// <summary>What the code raised; or, when the run did not end well without the code's doing (<c>Timeout</c>, <c>KernelDied</c>, <c>Cancelled</c>), that.</summary>
    public required CodeError? Error { get; init; }

    /// <summary>How it ended.</summary>
    public required ExecutionStatus Status { get; init; }

    /// <summary>True when something is missing here: more than <see cref="RunCodeOptions.KeepBytes"/>, or the journal itself had to leave something out.</summary>
    public required bool Truncated { get; init; }

    /// <summary>From the kernel's beginning with it to its end, by the gateway's clock; zero when it never ran.</summary>
    public required TimeSpan Duration { get; init; }

    /// <summary>The kernel's counter (<c>In [n]</c>).</summary>
    public int? ExecutionCount => Execution.ExecutionCount;

    /// <summary>What the code exited with (<c>sys.exit(3)</c>); <c>null</c> when it did not. With 0 it is a success.</summary>
    public int? ExitCode => Execution.ExitCode;

    /// <summary>Why it ended that way, in one stable word of <see cref="Contracts.ReasonCodes"/>; <c>null</c> when it ended well.</summary>
    public string? ReasonCode => Execution.ReasonCode;

    /// <summary>The limits it came up against.</summary>
    public IReadOnlyList<Violation> Violations => Execution.Violations;

    /// <summary>Whether it ran to its end without an error.</summary>
    public bool Success => Status == ExecutionStatus.Ok && Error is null;

    /// <summary>Whether somebody interrupted it.</summary>
    public bool Interrupted => Status == ExecutionStatus.Interrupted;

    /// <summary>The <c>text/plain</c> of the last expression's value or, without one, of what was displayed last.</summary>
    public string? Text => (Results.LastOrDefault(result => result.IsMainResult) ?? (Results.Count > 0 ? Results[^1] : null)) is { } last
        && last.Data.TryGetValue("text/plain", out var text)
        && text.ValueKind == JsonValueKind.String
            ? text.GetString()
            : null;
}
