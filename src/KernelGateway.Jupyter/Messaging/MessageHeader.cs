using System.Globalization;
using Newtonsoft.Json.Linq;

namespace KernelGateway.Jupyter.Messaging;

/// <summary>A message header (Jupyter messaging protocol, "Message header"). Absent texts are empty.</summary>
public sealed record MessageHeader
{
    /// <summary>The protocol version that this library speaks.</summary>
    public const string ProtocolVersion = "5.3";

    /// <summary>The message's id; the replies and outputs it causes carry it in their parent header.</summary>
    public required string MsgId { get; init; }

    /// <summary>One of <see cref="MessageTypes"/>, or another type that the kernel made up.</summary>
    public required string MsgType { get; init; }

    /// <summary>The sender's session id.</summary>
    public string Session { get; init; } = "";

    /// <summary>The sender's user name.</summary>
    public string Username { get; init; } = "";

    /// <summary>When the sender says it made the message; null when absent or not an ISO 8601 text.</summary>
    public DateTimeOffset? Date { get; init; }

    /// <summary>The protocol version that the sender speaks.</summary>
    public string Version { get; init; } = "";

    internal static MessageHeader From(JObject json) => new()
    {
        MsgId = Text(json, "msg_id"),
        MsgType = Text(json, "msg_type"),
        Session = Text(json, "session"),
        Username = Text(json, "username"),
        Version = Text(json, "version"),
        Date = DateTimeOffset.TryParse(
            Text(json, "date"), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var date)
            ? date
            : null,
    };

    private static string Text(JObject json, string name) => json[name] is JValue { Value: string text } ? text : "";
}
