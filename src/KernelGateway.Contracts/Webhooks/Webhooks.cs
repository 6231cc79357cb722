using System.Text.Json.Serialization;
using KernelGateway.Contracts.Events;

namespace KernelGateway.Contracts.Webhooks;

/// <summary>Body of <c>POST /api/v1/webhooks</c>.</summary>
public sealed record CreateWebhookRequest
{
    /// <summary>Where messages are sent: an absolute <c>https</c> address without user and fragment, at most 2048 characters.</summary>
    public string? Url { get; init; }

    /// <summary>Which events, words of <see cref="WebhookEventTypes"/>; left out or empty: all of sandboxes, and none of executions.</summary>
    public IReadOnlyList<string>? Events { get; init; }

    /// <summary>The key of the signatures: <c>whsec_</c> and 24 to 64 bytes in Base64. Made up when left out.</summary>
    public string? Secret { get; init; }
}

/// <summary>A webhook as its owner sees it.</summary>
public sealed record WebhookInfo
{
    /// <summary>32 hexadecimal digits.</summary>
    public required string Id { get; init; }

    /// <summary>Where messages are sent.</summary>
    public required string Url { get; init; }

    /// <summary>Which events it gets.</summary>
    public required IReadOnlyList<string> Events { get; init; }

    /// <summary>When it was made (UTC). It gets what happens from then on.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>The key of the signatures; shown once, in the answer that makes the webhook.</summary>
    public string? Secret { get; init; }
}

/// <summary>What a webhook is sent: the body of the request.</summary>
public sealed record WebhookMessage
{
    /// <summary>The same whenever it is sent again, also in the header <c>webhook-id</c>: drop what you have seen.</summary>
    public required string Id { get; init; }

    /// <summary>One of <see cref="WebhookEventTypes"/>.</summary>
    public required string Type { get; init; }

    /// <summary>When it happened (UTC).</summary>
    public required DateTimeOffset Timestamp { get; init; }

    /// <summary>The sandbox; <c>null</c> in a test.</summary>
    public string? SandboxId { get; init; }

    /// <summary>Its name for people.</summary>
    public string? SandboxName { get; init; }

    /// <summary>Its labels as they are when the message is sent.</summary>
    public IReadOnlyDictionary<string, string>? Tags { get; init; }

    /// <summary>The event, as the events of the sandbox have it, with its number.</summary>
    public SandboxEvent? Event { get; init; }
}

/// <summary>How far a message has come.</summary>
[JsonConverter(typeof(CamelCaseEnumConverter<WebhookDeliveryState>))]
public enum WebhookDeliveryState
{
    /// <summary>An attempt failed; it is sent again.</summary>
    Retrying,

    /// <summary>The receiver answered with 2xx.</summary>
    Delivered,

    /// <summary>Given up after the last attempt.</summary>
    Failed,
}

/// <summary>One message and what became of it. The last ones are remembered while the gateway runs.</summary>
public sealed record WebhookDelivery
{
    /// <summary>The message's id.</summary>
    public required string Id { get; init; }

    /// <summary>The message's type.</summary>
    public required string Type { get; init; }

    /// <summary>The sandbox; <c>null</c> in a test.</summary>
    public string? SandboxId { get; init; }

    /// <summary>The number of the event in its sandbox; <c>null</c> in a test.</summary>
    public long? Sequence { get; init; }

    /// <summary>How far it has come.</summary>
    public required WebhookDeliveryState State { get; init; }

    /// <summary>How often it was sent since the gateway started.</summary>
    public required int Attempts { get; init; }

    /// <summary>The HTTP status of the last answer; <c>null</c> when there was none.</summary>
    public int? Status { get; init; }

    /// <summary>Why the last attempt failed.</summary>
    public string? Error { get; init; }

    /// <summary>When it was last sent (UTC).</summary>
    public required DateTimeOffset LastAttemptAt { get; init; }

    /// <summary>When it is sent again (UTC).</summary>
    public DateTimeOffset? NextAttemptAt { get; init; }
}
