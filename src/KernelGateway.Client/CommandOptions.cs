using KernelGateway.Contracts.Commands;

namespace KernelGateway.Client;

/// <summary>How to run a command, and what to do with what it says while it runs. An exception of a callback ends the waiting, never the command.</summary>
public sealed record CommandOptions
{
    /// <summary>Where it starts; the sandbox's working folder when <c>null</c>.</summary>
    public string? Cwd { get; init; }

    /// <summary>Environment variables over those of the sandbox.</summary>
    public IReadOnlyDictionary<string, string>? Env { get; init; }

    /// <summary>Its time limit; <see cref="System.Threading.Timeout.InfiniteTimeSpan"/> for none; the sandbox's own default when <c>null</c>.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>The first of its standard input.</summary>
    public string? Stdin { get; init; }

    /// <summary>Whether more input will follow, through <see cref="RunningCommand.WriteStdinAsync(string, CancellationToken)"/>.</summary>
    public bool KeepStdinOpen { get; init; }

    /// <summary>Gives it a terminal of this size.</summary>
    public PtySize? Pty { get; init; }

    /// <summary>Called with each line of standard output as it comes.</summary>
    public Action<OutputMessage>? OnStdout { get; init; }

    /// <summary>Called with each line of standard error as it comes.</summary>
    public Action<OutputMessage>? OnStderr { get; init; }

    /// <summary>Names this command: the same key in one sandbox gives the same command again. Made up when <c>null</c>.</summary>
    public string? IdempotencyKey { get; init; }

    /// <summary>Bytes of output that <see cref="CommandOutcome"/> keeps; more only goes to the callbacks. Default 32 MiB.</summary>
    public long KeepBytes { get; init; } = 32 * 1024 * 1024;

    internal StartCommandRequest ToRequest(string? command, IReadOnlyList<string>? argv) => new()
    {
        Command = command,
        Argv = argv,
        Cwd = Cwd,
        Env = Env,
        TimeoutSeconds = Timeout is not { } limit ? null : limit == System.Threading.Timeout.InfiniteTimeSpan ? 0 : limit.TotalSeconds,
        Stdin = Stdin,
        KeepStdinOpen = KeepStdinOpen,
        Pty = Pty,
    };
}
