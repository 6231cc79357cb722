using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Executions;

namespace KernelGateway.Client;

/// <summary>How to run a piece of code, and what to do with what it says while it runs. An exception of a callback ends the waiting, never the run.</summary>
public sealed record RunCodeOptions
{
    /// <summary>Called with each line of standard output as it comes.</summary>
    public Action<OutputMessage>? OnStdout { get; init; }

    /// <summary>Called with each line of standard error as it comes.</summary>
    public Action<OutputMessage>? OnStderr { get; init; }

    /// <summary>Called with each displayed value and with the value of the last expression.</summary>
    public Action<RichResult>? OnResult { get; init; }

    /// <summary>Called when the code raises an error.</summary>
    public Action<CodeError>? OnError { get; init; }

    /// <summary>Called when the code asks with <c>input()</c>; gives the answer. Its token is cancelled when the run no longer waits for it.</summary>
    public Func<InputRequestEvent, CancellationToken, Task<string>>? OnInput { get; init; }

    /// <summary>Whether <c>input()</c> may ask. Default: <see cref="Sandbox.RunCodeAsync"/> allows it when there is an <see cref="OnInput"/>, <see cref="Sandbox.StartCodeAsync"/> always.</summary>
    public bool? AllowStdin { get; init; }

    /// <summary>The context to run in; the default one when <c>null</c>.</summary>
    public string? ContextId { get; init; }

    /// <summary>The language, instead of a context: its context is started on the first use. See <see cref="RunCodeRequest.Language"/>.</summary>
    public string? Language { get; init; }

    /// <summary>Environment variables for this run only; afterwards they are as they were before.</summary>
    public IReadOnlyDictionary<string, string>? Env { get; init; }

    /// <summary>The run's time limit; <see cref="Timeout.InfiniteTimeSpan"/> for none; the sandbox's own default when <c>null</c>.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>Run without counting and history.</summary>
    public bool Silent { get; init; }

    /// <summary>Names this run: the same key in one sandbox gives the same run again, also from another process. Made up when <c>null</c>.</summary>
    public string? IdempotencyKey { get; init; }

    /// <summary>Bytes of output that <see cref="CodeResult"/> keeps; more only goes to the callbacks. Default 32 MiB.</summary>
    public long KeepBytes { get; init; } = 32 * 1024 * 1024;

    internal RunCodeRequest ToRequest(string code, bool allowStdin) => new()
    {
        Code = code,
        ContextId = ContextId,
        Language = Language,
        Env = Env,
        TimeoutSeconds = Timeout is not { } limit ? null : limit == System.Threading.Timeout.InfiniteTimeSpan ? 0 : limit.TotalSeconds,
        AllowStdin = AllowStdin ?? allowStdin,
        Silent = Silent,
    };
}
