using System.Text.Json;
using System.Text.Json.Serialization;

namespace KernelGateway.Contracts.Executions;

/// <summary>One run of code.</summary>
public sealed record ExecutionInfo
{
    /// <summary>The Jupyter <c>msg_id</c> of its execute_request.</summary>
    public required string Id { get; init; }

    /// <summary>The sandbox it runs in.</summary>
    public required string SandboxId { get; init; }

    /// <summary>The context it runs in.</summary>
    public required string ContextId { get; init; }

    /// <summary>Whether it waits, runs or has ended.</summary>
    public required ExecutionState State { get; init; }

    /// <summary>How it ended; <c>null</c> until then.</summary>
    public ExecutionStatus? Status { get; init; }

    /// <summary>Why it ended that way, when <see cref="Status"/> does not say it all.</summary>
    public string? Reason { get; init; }

    /// <summary>The same in one stable word, see <see cref="ReasonCodes"/>; <c>null</c> until it has ended, and when it ended well.</summary>
    public string? ReasonCode { get; init; }

    /// <summary>The kernel's own counter (<c>In [n]</c>); <c>null</c> when it never ran or ran silently.</summary>
    public int? ExecutionCount { get; init; }

    /// <summary>When it was accepted (UTC).</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When the kernel began with it (UTC).</summary>
    public DateTimeOffset? StartedAt { get; init; }

    /// <summary>When it ended (UTC).</summary>
    public DateTimeOffset? FinishedAt { get; init; }

    /// <summary>The number of its first event: read events after <c>FirstSequence - 1</c> to see all of it.</summary>
    public required long FirstSequence { get; init; }

    /// <summary>The number of its last event; <c>null</c> until it has ended.</summary>
    public long? LastSequence { get; init; }

    /// <summary>True when <c>input()</c> waits for an answer.</summary>
    public bool AwaitingInput { get; init; }

    /// <summary>How much it put out, and how much of that was too much to keep; known when it has ended.</summary>
    public OutputCounters Output { get; init; } = new(0, 0, 0, 0);

    /// <summary>What the code exited with (<c>sys.exit(3)</c>, a text counts as 1); <c>null</c> when it did not. With 0 it ended well.</summary>
    public int? ExitCode { get; init; }

    /// <summary>The limits it came up against, at most 16 kinds; known when it has ended.</summary>
    public IReadOnlyList<Violation> Violations { get; init; } = [];

    /// <summary>What it printed and returned; only in answers that were asked to wait, or to a GET of an ended run.</summary>
    public ExecutionResult? Result { get; init; }
}

/// <summary>How much a run put out: text, displays, results and comms.</summary>
/// <param name="Messages">Messages that were kept.</param>
/// <param name="Bytes">Their size, bytes.</param>
/// <param name="DroppedMessages">Messages over a limit of size, number or rate, which were left out; <c>omitted</c> events stand in their places.</param>
/// <param name="DroppedBytes">Their size, bytes.</param>
public sealed record OutputCounters(long Messages, long Bytes, long DroppedMessages, long DroppedBytes);

/// <summary>Whether a run waits, runs or has ended.</summary>
[JsonConverter(typeof(CamelCaseEnumConverter<ExecutionState>))]
public enum ExecutionState
{
    /// <summary>Waits for its turn.</summary>
    Queued,

    /// <summary>Was sent to the kernel.</summary>
    Running,

    /// <summary>Has ended; see the status.</summary>
    Finished,

    /// <summary>The gateway was away and cannot tell whether the kernel ever received it.</summary>
    Unknown,
}

/// <summary>How a run ended.</summary>
[JsonConverter(typeof(CamelCaseEnumConverter<ExecutionStatus>))]
public enum ExecutionStatus
{
    /// <summary>Ran to its end.</summary>
    Ok,

    /// <summary>The code raised an error.</summary>
    Error,

    /// <summary>Somebody interrupted it.</summary>
    Interrupted,

    /// <summary>It ran past its time limit.</summary>
    Timeout,

    /// <summary>It never ran: its kernel was restarted or its sandbox ended, or an earlier run failed.</summary>
    Cancelled,

    /// <summary>The kernel ended under it; the reason says how.</summary>
    KernelDied,
}

/// <summary>The gathered output of one run, cut at the configured size.</summary>
public sealed record ExecutionResult
{
    /// <summary>All text on standard output, as printed.</summary>
    public required string Stdout { get; init; }

    /// <summary>All text on standard error, as printed.</summary>
    public required string Stderr { get; init; }

    /// <summary>The value of the last expression and everything displayed, in order.</summary>
    public required IReadOnlyList<RichResult> Results { get; init; }

    /// <summary>The error, when the code raised one.</summary>
    public CodeError? Error { get; init; }

    /// <summary>True when something was left out because it was too much; the events have it all.</summary>
    public bool Truncated { get; init; }
}

/// <summary>One rich value as a MIME bundle.</summary>
/// <param name="Data">MIME type to value: text as a string, images as base64, JSON types as JSON.</param>
/// <param name="Metadata">The bundle's metadata.</param>
/// <param name="IsMainResult">True for the value of the last expression, false for displayed ones.</param>
public sealed record RichResult(IReadOnlyDictionary<string, JsonElement> Data, JsonElement? Metadata, bool IsMainResult)
{
    /// <summary>The plain text; <c>null</c>, as with all of these, when it has no such form.</summary>
    [JsonIgnore]
    public string? Text => Get("text/plain");

    /// <summary>The HTML.</summary>
    [JsonIgnore]
    public string? Html => Get("text/html");

    /// <summary>The Markdown.</summary>
    [JsonIgnore]
    public string? Markdown => Get("text/markdown");

    /// <summary>The LaTeX.</summary>
    [JsonIgnore]
    public string? Latex => Get("text/latex");

    /// <summary>The SVG, as XML.</summary>
    [JsonIgnore]
    public string? Svg => Get("image/svg+xml");

    /// <summary>The PNG, base64.</summary>
    [JsonIgnore]
    public string? Png => Get("image/png");

    /// <summary>The JPEG, base64.</summary>
    [JsonIgnore]
    public string? Jpeg => Get("image/jpeg");

    /// <summary>The PDF, base64.</summary>
    [JsonIgnore]
    public string? Pdf => Get("application/pdf");

    /// <summary>The JavaScript.</summary>
    [JsonIgnore]
    public string? JavaScript => Get("application/javascript");

    /// <summary>The JSON.</summary>
    [JsonIgnore]
    public JsonElement? Json => Data.TryGetValue("application/json", out var json) ? json : null;

    private string? Get(string type) =>
        Data.TryGetValue(type, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}

/// <summary>What user code raised.</summary>
/// <param name="Name">The exception's class.</param>
/// <param name="Value">Its message.</param>
/// <param name="Traceback">The traceback's lines, with ANSI colours as the kernel sent them.</param>
public sealed record CodeError(string Name, string Value, IReadOnlyList<string> Traceback);
