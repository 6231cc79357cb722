using System.Text.Json;

namespace KernelGateway.Contracts.Events;

/// <summary>Text that user code printed, as it came: it may be part of a line or many lines.</summary>
public sealed record OutputEvent : SandboxEvent
{
    /// <summary><c>stdout</c> or <c>stderr</c>.</summary>
    public required string Stream { get; init; }

    /// <summary>The text, newlines included.</summary>
    public required string Text { get; init; }
}

/// <summary>The value of the last expression of a run.</summary>
public sealed record ResultEvent : SandboxEvent
{
    /// <summary>MIME type to value.</summary>
    public required IReadOnlyDictionary<string, JsonElement> Data { get; init; }

    /// <summary>The bundle's metadata.</summary>
    public JsonElement? Metadata { get; init; }

    /// <summary>The kernel's counter.</summary>
    public int? ExecutionCount { get; init; }
}

/// <summary>Something user code displayed: a figure, HTML, a widget's text …</summary>
public sealed record DisplayEvent : SandboxEvent
{
    /// <summary>MIME type to value.</summary>
    public required IReadOnlyDictionary<string, JsonElement> Data { get; init; }

    /// <summary>The bundle's metadata.</summary>
    public JsonElement? Metadata { get; init; }

    /// <summary>Names a display that can be updated later.</summary>
    public string? DisplayId { get; init; }

    /// <summary>True when this replaces what the display of that id showed.</summary>
    public bool Update { get; init; }
}

/// <summary>User code asked to clear what was shown.</summary>
public sealed record ClearOutputEvent : SandboxEvent
{
    /// <summary>True: clear when the next output comes.</summary>
    public bool Wait { get; init; }
}

/// <summary>User code raised an error.</summary>
public sealed record ErrorEvent : SandboxEvent
{
    /// <summary>The exception's class.</summary>
    public required string Name { get; init; }

    /// <summary>Its message.</summary>
    public required string Value { get; init; }

    /// <summary>The traceback's lines, with ANSI colours as the kernel sent them.</summary>
    public required IReadOnlyList<string> Traceback { get; init; }
}

/// <summary>User code called <c>input()</c> and waits for an answer.</summary>
public sealed record InputRequestEvent : SandboxEvent
{
    /// <summary>What to show.</summary>
    public required string Prompt { get; init; }

    /// <summary>True when the answer must not be shown.</summary>
    public bool Password { get; init; }
}

/// <summary>A kernel message that has no shape of its own here: comms and whatever a kernel invents.</summary>
public sealed record KernelMessageEvent : SandboxEvent
{
    /// <summary>The Jupyter <c>msg_type</c>.</summary>
    public required string MessageType { get; init; }

    /// <summary>The message's content.</summary>
    public JsonElement? Content { get; init; }
}
