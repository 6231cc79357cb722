using KernelGateway.Contracts.Executions;

namespace KernelGateway.Contracts.Events;

/// <summary>A command was accepted. What it was given of variables and input is not told, for that may be secret.</summary>
public sealed record CommandStartedEvent : SandboxEvent
{
    /// <summary>The text for the shell; <c>null</c> when a program was named.</summary>
    public string? Command { get; init; }

    /// <summary>The program and its arguments; <c>null</c> when a shell runs it.</summary>
    public IReadOnlyList<string>? Argv { get; init; }

    /// <summary>Where it starts; <c>null</c>: the sandbox's working folder.</summary>
    public string? Cwd { get; init; }
}

/// <summary>A piece of what a command put out, as it came: either text or, when it is not UTF-8, bytes. No character is cut.</summary>
public sealed record CommandOutputEvent : SandboxEvent
{
    /// <summary><c>stdout</c> or <c>stderr</c>; with a terminal all is <c>stdout</c>.</summary>
    public required string Stream { get; init; }

    /// <summary>The text, newlines included.</summary>
    public string? Text { get; init; }

    /// <summary>The bytes, in Base64.</summary>
    public string? Base64 { get; init; }
}

/// <summary>A command has ended; nothing more of it will come.</summary>
public sealed record CommandFinishedEvent : SandboxEvent
{
    /// <summary>As a shell gives it: 127 not found, 126 not executable, 128+N after signal N; <c>null</c> when its end was not seen.</summary>
    public int? ExitCode { get; init; }

    /// <summary>How long it ran, seconds.</summary>
    public double? DurationSeconds { get; init; }

    /// <summary>Why it ended, when the code does not say it all.</summary>
    public string? Reason { get; init; }

    /// <summary>The same in one stable word, see <see cref="ReasonCodes"/>.</summary>
    public string? ReasonCode { get; init; }

    /// <summary>The limits of the sandbox that were met while it ran.</summary>
    public IReadOnlyList<Violation> Violations { get; init; } = [];
}
