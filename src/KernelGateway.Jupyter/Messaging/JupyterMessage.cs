using Newtonsoft.Json.Linq;

namespace KernelGateway.Jupyter.Messaging;

/// <summary>
/// One Jupyter message (Jupyter messaging protocol, "General message format"). The bytes of its frames are kept as they
/// came, so that it can be passed on without loss; the JSON is read when first asked for. Immutable and safe for use by
/// several threads, provided that nobody changes the JSON objects it hands out.
/// </summary>
public sealed class JupyterMessage
{
    /// <summary>The largest header and parent header taken, in bytes.</summary>
    public const int MaxHeaderBytes = 64 * 1024;

    /// <summary>The deepest nesting of objects and arrays taken.</summary>
    public const int MaxDepth = 64;

    private static readonly ReadOnlyMemory<byte> EmptyObject = "{}"u8.ToArray();

    private MessageHeader? _header;
    private MessageHeader? _parentHeader;
    private JObject? _metadata;
    private JObject? _content;

    private JupyterMessage(
        string msgId,
        string msgType,
        string? parentMsgId,
        ReadOnlyMemory<byte> header,
        ReadOnlyMemory<byte> parentHeader,
        ReadOnlyMemory<byte> metadata,
        ReadOnlyMemory<byte> content,
        IReadOnlyList<ReadOnlyMemory<byte>> buffers)
    {
        MsgId = msgId;
        MsgType = msgType;
        ParentMsgId = parentMsgId;
        HeaderBytes = header;
        ParentHeaderBytes = parentHeader;
        MetadataBytes = metadata;
        ContentBytes = content;
        Buffers = buffers;
    }

    /// <summary>The header's <c>msg_id</c>. Costs nothing.</summary>
    public string MsgId { get; }

    /// <summary>The header's <c>msg_type</c>. Costs nothing.</summary>
    public string MsgType { get; }

    /// <summary>The <c>msg_id</c> of the message that caused this one, if any. Costs nothing.</summary>
    public string? ParentMsgId { get; }

    /// <summary>The header's frame.</summary>
    public ReadOnlyMemory<byte> HeaderBytes { get; }

    /// <summary>The parent header's frame.</summary>
    public ReadOnlyMemory<byte> ParentHeaderBytes { get; }

    /// <summary>The metadata's frame.</summary>
    public ReadOnlyMemory<byte> MetadataBytes { get; }

    /// <summary>The content's frame.</summary>
    public ReadOnlyMemory<byte> ContentBytes { get; }

    /// <summary>The binary frames after the content, often none.</summary>
    public IReadOnlyList<ReadOnlyMemory<byte>> Buffers { get; }

    /// <summary>The bytes of all frames together.</summary>
    public long TotalBytes
    {
        get
        {
            long total = HeaderBytes.Length + ParentHeaderBytes.Length + MetadataBytes.Length;
            total += ContentBytes.Length;
            for (var i = 0; i < Buffers.Count; i++)
            {
                total += Buffers[i].Length;
            }

            return total;
        }
    }

    /// <summary>The whole header.</summary>
    public MessageHeader Header => _header ??= MessageHeader.From(LenientJson.ReadObject(HeaderBytes));

    /// <summary>The header of the message that caused this one; null when there is none.</summary>
    public MessageHeader? ParentHeader => ParentMsgId is null
        ? null
        : _parentHeader ??= MessageHeader.From(LenientJson.ReadObject(ParentHeaderBytes));

    /// <summary>The metadata. Treat as read-only.</summary>
    public JObject Metadata => _metadata ??= LenientJson.ReadObject(MetadataBytes);

    /// <summary>The content. Treat as read-only. A kernel's <c>null</c> is the empty object.</summary>
    public JObject Content => _content ??= LenientJson.ReadObject(ContentBytes);

    /// <summary>Makes a new message.</summary>
    /// <param name="type">One of <see cref="MessageTypes"/> or a kernel's own.</param>
    /// <param name="content">The content; null is the empty object.</param>
    /// <param name="session">The sender's session id.</param>
    /// <param name="username">The sender's user name.</param>
    /// <param name="parent">The message that this one answers.</param>
    /// <param name="metadata">The metadata; null is the empty object.</param>
    /// <param name="buffers">Binary frames.</param>
    /// <param name="msgId">The id; null makes a random one.</param>
    /// <param name="time">The clock for the header's date; null is the system's.</param>
    public static JupyterMessage Create(
        string type,
        JObject? content,
        string session,
        string username,
        JupyterMessage? parent = null,
        JObject? metadata = null,
        IReadOnlyList<ReadOnlyMemory<byte>>? buffers = null,
        string? msgId = null,
        TimeProvider? time = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(type);
        msgId ??= Guid.NewGuid().ToString("N");
        var now = (time ?? TimeProvider.System).GetUtcNow();
        var header = new JObject
        {
            ["msg_id"] = msgId,
            ["msg_type"] = type,
            ["username"] = username,
            ["session"] = session,
            ["date"] = now.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", null),
            ["version"] = MessageHeader.ProtocolVersion,
        };
        return new JupyterMessage(
            msgId,
            type,
            parent?.MsgId,
            LenientJson.Write(header),
            parent?.HeaderBytes ?? EmptyObject,
            metadata is { Count: > 0 } ? LenientJson.Write(metadata) : EmptyObject,
            content is { Count: > 0 } ? LenientJson.Write(content) : EmptyObject,
            buffers ?? []);
    }

    /// <summary>
    /// Reads a message from its frames in the order header, parent header, metadata, content, buffers. A message that is
    /// let in can be read to the end: none of its properties throws.
    /// </summary>
    /// <param name="frames">The frames; they are kept, not copied.</param>
    /// <param name="message">The message, when the answer is <see cref="MessageFault.None"/>.</param>
    public static MessageFault TryParse(IReadOnlyList<ReadOnlyMemory<byte>> frames, out JupyterMessage? message) =>
        TryParse(frames, 0, out message);

    /// <summary>Reads a message from its frames; see <see cref="TryParse(IReadOnlyList{ReadOnlyMemory{byte}}, out JupyterMessage?)"/>.</summary>
    /// <param name="frames">Header, parent header, metadata, content, buffers.</param>
    /// <exception cref="MalformedMessageException">The frames are not a message.</exception>
    public static JupyterMessage Parse(params IReadOnlyList<ReadOnlyMemory<byte>> frames)
    {
        var fault = TryParse(frames, 0, out var message);
        return message ?? throw new MalformedMessageException(fault);
    }

    internal static MessageFault TryParse(IReadOnlyList<ReadOnlyMemory<byte>> frames, int start, out JupyterMessage? message)
    {
        message = null;
        if (frames.Count - start < 4)
        {
            return MessageFault.TooFewFrames;
        }

        var (header, parent) = (frames[start], frames[start + 1]);
        var (metadata, content) = (frames[start + 2], frames[start + 3]);
        if (header.Length > MaxHeaderBytes || parent.Length > MaxHeaderBytes)
        {
            return MessageFault.HeaderTooLarge;
        }

        if (!JsonScan.TryReadHeader(header, out var msgId, out var msgType) || msgId is null || msgType is null)
        {
            return MessageFault.MalformedHeader;
        }

        if (!JsonScan.TryReadHeader(parent, out var parentMsgId, out _))
        {
            return MessageFault.MalformedParent;
        }

        if (!JsonScan.IsObject(metadata))
        {
            return MessageFault.MalformedMetadata;
        }

        if (!JsonScan.IsObject(content))
        {
            return MessageFault.MalformedContent;
        }

        IReadOnlyList<ReadOnlyMemory<byte>> buffers = frames.Count - start == 4 ? [] : [.. frames.Skip(start + 4)];
        message = new JupyterMessage(msgId, msgType, parentMsgId, header, parent, metadata, content, buffers);
        return MessageFault.None;
    }

    /// <inheritdoc/>
    public override string ToString() => $"{MsgType} {MsgId}" + (ParentMsgId is null ? "" : $" (parent {ParentMsgId})");
}
