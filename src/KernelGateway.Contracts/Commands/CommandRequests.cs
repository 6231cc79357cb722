namespace KernelGateway.Contracts.Commands;

/// <summary>Body of <c>POST /api/v1/sandboxes/{id}/commands</c>. Exactly one of <see cref="Command"/> and <see cref="Argv"/>.</summary>
public sealed record StartCommandRequest
{
    /// <summary>A text for <c>/bin/bash -c</c>, or <c>/bin/sh -c</c> where there is no bash.</summary>
    public string? Command { get; init; }

    /// <summary>A program and its arguments, run without a shell.</summary>
    public IReadOnlyList<string>? Argv { get; init; }

    /// <summary>Where it starts; the sandbox's working folder when left out.</summary>
    public string? Cwd { get; init; }

    /// <summary>Environment variables over those of the sandbox.</summary>
    public IReadOnlyDictionary<string, string>? Env { get; init; }

    /// <summary>Time limit, seconds; 0 means none; the sandbox's own default when left out.</summary>
    public double? TimeoutSeconds { get; init; }

    /// <summary>The first of its standard input.</summary>
    public string? Stdin { get; init; }

    /// <summary>Whether more input will follow; otherwise its standard input ends after <see cref="Stdin"/>. With a terminal it always stays open.</summary>
    public bool KeepStdinOpen { get; init; }

    /// <summary>Gives it a terminal of this size.</summary>
    public PtySize? Pty { get; init; }

    /// <summary>Not supported: commands run as the sandbox's own user.</summary>
    public string? User { get; init; }

    /// <summary>The same key within one sandbox gives the same command instead of a second one; the <c>Idempotency-Key</c> header does the same.</summary>
    public string? IdempotencyKey { get; init; }
}

/// <summary>The size of a terminal.</summary>
/// <param name="Columns">Characters across, 1 to 10000.</param>
/// <param name="Rows">Lines, 1 to 10000.</param>
public sealed record PtySize(int Columns, int Rows);

/// <summary>Body of <c>POST …/commands/{cid}/stdin</c>.</summary>
/// <param name="Text">Text to write.</param>
/// <param name="Base64">Bytes to write instead.</param>
/// <param name="Close">Whether nothing more follows: end of file, or Ctrl-D on a terminal.</param>
public sealed record CommandInputRequest(string? Text = null, string? Base64 = null, bool Close = false);

/// <summary>Body of <c>POST …/commands/{cid}/signal</c>.</summary>
/// <param name="Signal">Its name, such as <c>SIGTERM</c> or <c>INT</c>, or its number.</param>
public sealed record SignalCommandRequest(string Signal);
