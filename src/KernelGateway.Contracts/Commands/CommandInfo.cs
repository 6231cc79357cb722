using System.Text.Json.Serialization;
using KernelGateway.Contracts.Executions;

namespace KernelGateway.Contracts.Commands;

/// <summary>One command in a sandbox.</summary>
public sealed record CommandInfo
{
    /// <summary>32 hexadecimal digits.</summary>
    public required string Id { get; init; }

    /// <summary>The sandbox it runs in.</summary>
    public required string SandboxId { get; init; }

    /// <summary>Whether it runs or has ended.</summary>
    public required CommandState State { get; init; }

    /// <summary>The text for the shell; <c>null</c> when a program was named.</summary>
    public string? Command { get; init; }

    /// <summary>The program and its arguments; <c>null</c> when a shell runs it.</summary>
    public IReadOnlyList<string>? Argv { get; init; }

    /// <summary>Where it started; <c>null</c>: the sandbox's working folder.</summary>
    public string? Cwd { get; init; }

    /// <summary>Whether it has a terminal.</summary>
    public bool Terminal { get; init; }

    /// <summary>As a shell gives it: 127 not found, 126 not executable, 128+N after signal N; <c>null</c> until it has ended, and when its end was not seen.</summary>
    public int? ExitCode { get; init; }

    /// <summary>How long it ran, seconds; <c>null</c> until it has ended.</summary>
    public double? DurationSeconds { get; init; }

    /// <summary>Why it ended, when the code does not say it all.</summary>
    public string? Reason { get; init; }

    /// <summary>The same in one stable word, see <see cref="ReasonCodes"/>; <c>timeout</c> when it was ended for its time limit.</summary>
    public string? ReasonCode { get; init; }

    /// <summary>When it was accepted (UTC).</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When its end was recorded (UTC).</summary>
    public DateTimeOffset? FinishedAt { get; init; }

    /// <summary>The number of its first event: read events after <c>FirstSequence - 1</c> to see all of it.</summary>
    public required long FirstSequence { get; init; }

    /// <summary>The number of its last event; <c>null</c> until it has ended.</summary>
    public long? LastSequence { get; init; }

    /// <summary>How much it put out, in pieces and bytes, and how much of that was too much to keep; known when it has ended.</summary>
    public OutputCounters Output { get; init; } = new(0, 0, 0, 0);

    /// <summary>The limits of the sandbox that were met while it ran.</summary>
    public IReadOnlyList<Violation> Violations { get; init; } = [];

    /// <summary>What it put out; only in answers that were asked to wait, or to a GET of an ended command.</summary>
    public CommandResult? Result { get; init; }
}

/// <summary>Whether a command runs or has ended.</summary>
[JsonConverter(typeof(CamelCaseEnumConverter<CommandState>))]
public enum CommandState
{
    /// <summary>Runs.</summary>
    Running,

    /// <summary>Has ended; see the exit code.</summary>
    Finished,

    /// <summary>Its end was not seen: it could not be started, or its sandbox ended; the reason says more.</summary>
    Lost,
}

/// <summary>The gathered output of one command, cut at the configured size.</summary>
/// <param name="Stdout">All of its standard output; bytes that are not UTF-8 are replaced.</param>
/// <param name="Stderr">All of its standard error; bytes that are not UTF-8 are replaced.</param>
/// <param name="Truncated">True when something was left out because it was too much; the events have it all.</param>
public sealed record CommandResult(string Stdout, string Stderr, bool Truncated);
