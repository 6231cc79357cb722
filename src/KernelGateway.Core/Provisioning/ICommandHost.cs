using KernelGateway.Core.Errors;

namespace KernelGateway.Core.Provisioning;

/// <summary>The power of a place to run commands beside its kernels. They are known by ids that are never used again.</summary>
/// <remarks>What a command puts out, and at last how it ended, is in a log of its own before anybody is told; it outlives the gateway.</remarks>
public interface ICommandHost
{
    /// <summary>Why no packages of the system can be installed here, and the way out; <c>null</c> where a command may install them.</summary>
    string? WhyNoSystemPackages { get; }

    /// <summary>The commands that the place had when it was found again, and that were not forgotten.</summary>
    IReadOnlyCollection<string> CommandsFound { get; }

    /// <summary>Says who is told, by its id, when a command has put something into its log; must not block or throw.</summary>
    void OnCommandActivity(Action<string> tell);

    /// <summary>Whether nothing more will come into the log of a command: when its end is not in it then, it was taken away.</summary>
    bool HasSaidAll(string commandId) => false;

    /// <summary>Where the log of a command is.</summary>
    KernelLogLocation CommandLog(string commandId);

    /// <summary>Starts a command; returns when it runs.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.InvalidArgument"/>: its folder cannot be entered, or it is too large. <see cref="ErrorCode.KernelFailed"/>: the place is gone or refuses.</exception>
    Task StartCommandAsync(CommandLaunch launch, CancellationToken cancellationToken);

    /// <summary>Gives it more input.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.LimitReached"/>: it has not read enough of what it has. <see cref="ErrorCode.Conflict"/>: it has ended, or its input is closed.</exception>
    Task WriteCommandAsync(string commandId, ReadOnlyMemory<byte> input, bool close, CancellationToken cancellationToken);

    /// <summary>Sends a signal to its process group, or to all that it has started.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.Conflict"/>: it has ended.</exception>
    Task SignalCommandAsync(string commandId, int signal, bool all, CancellationToken cancellationToken);

    /// <summary>Changes the size of its terminal.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.Conflict"/>: it has ended, or has no terminal.</exception>
    Task ResizeCommandAsync(string commandId, TerminalSize size, CancellationToken cancellationToken);

    /// <summary>Removes what is kept of it; kills one that still runs.</summary>
    Task ForgetCommandAsync(string commandId, CancellationToken cancellationToken);
}

/// <summary>One command to start.</summary>
/// <param name="CommandId">32 hexadecimal digits.</param>
/// <param name="Argv">The program and its arguments; with <paramref name="Shell"/> one text for a shell.</param>
/// <param name="Shell">Whether a shell runs it.</param>
/// <param name="WorkingDirectory">Where it starts; <c>null</c> for the place's default.</param>
/// <param name="Variables">Environment variables over those of the place.</param>
/// <param name="Input">The first of its standard input.</param>
/// <param name="KeepInputOpen">Whether more will follow.</param>
/// <param name="Terminal">The size of its terminal; <c>null</c> for none.</param>
/// <param name="Timeout">When it is ended; zero: never.</param>
/// <param name="Grace">Between SIGTERM and SIGKILL then.</param>
public sealed record CommandLaunch(
    string CommandId,
    IReadOnlyList<string> Argv,
    bool Shell,
    string? WorkingDirectory,
    IReadOnlyDictionary<string, string> Variables,
    ReadOnlyMemory<byte> Input,
    bool KeepInputOpen,
    TerminalSize? Terminal,
    TimeSpan Timeout,
    TimeSpan Grace);

/// <summary>The size of a terminal, characters.</summary>
/// <param name="Columns">Across.</param>
/// <param name="Rows">Down.</param>
public readonly record struct TerminalSize(int Columns, int Rows);
