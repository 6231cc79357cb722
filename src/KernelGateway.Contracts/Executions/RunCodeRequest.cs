namespace KernelGateway.Contracts.Executions;

/// <summary>Body of <c>POST /api/v1/sandboxes/{id}/executions</c>.</summary>
public sealed record RunCodeRequest
{
    /// <summary>The source to run; not empty, at most the configured size (default 1 MiB).</summary>
    public required string Code { get; init; }

    /// <summary>The context to run in; the default one when left out.</summary>
    public string? ContextId { get; init; }

    /// <summary>
    /// The language of the code, instead of a context: the default context when it speaks it, else the context of that language, which is
    /// started on its first use and has the language as its id.
    /// </summary>
    public string? Language { get; init; }

    /// <summary>Environment variables for this run only; afterwards they are as they were before. Only for kernels of our launcher.</summary>
    public IReadOnlyDictionary<string, string>? Env { get; init; }

    /// <summary>Time limit of this run, seconds; 0 means none; the sandbox's own default when left out.</summary>
    public double? TimeoutSeconds { get; init; }

    /// <summary>Whether <c>input()</c> may ask (the question arrives as an event); otherwise it raises in the kernel. Default true.</summary>
    public bool AllowStdin { get; init; } = true;

    /// <summary>Run without counting, history or broadcast of the result, as in the Jupyter protocol. Default false.</summary>
    public bool Silent { get; init; }

    /// <summary>The same key within one sandbox gives the same execution instead of a second one; 1 to 128 printable ASCII characters. The <c>Idempotency-Key</c> header does the same.</summary>
    public string? IdempotencyKey { get; init; }
}

/// <summary>Body of <c>POST …/executions/{eid}/input</c>.</summary>
/// <param name="Value">What the user typed, without the newline.</param>
public sealed record ReplyInputRequest(string Value);

/// <summary>Body of <c>POST …/restart</c>; may be left out.</summary>
/// <param name="ContextId">The context to restart; the default one when <c>null</c>.</param>
public sealed record RestartRequest(string? ContextId = null);

/// <summary>Body of <c>POST …/executions/{eid}/interrupt</c>; may be left out.</summary>
/// <param name="Escalate">
/// False: only interrupt, as Ctrl-C does, which a program may handle. True: go on to SIGTERM for its children, SIGKILL for the kernel and
/// the end of the sandbox, each after the configured grace, until the run has ended.
/// </param>
public sealed record InterruptRequest(bool Escalate = false);
