namespace KernelGateway.Jupyter.Messaging;

/// <summary>
/// The frames of a message on a ZeroMQ socket: routing ids or a topic, <c>&lt;IDS|MSG&gt;</c>, the signature, four JSON
/// frames, buffers (Jupyter messaging protocol, "The wire protocol").
/// </summary>
public static class WireFormat
{
    /// <summary>How many frames may stand before the delimiter.</summary>
    public const int MaxIdentities = 16;

    private static readonly ReadOnlyMemory<byte> DelimiterFrame = "<IDS|MSG>"u8.ToArray();

    /// <summary>The frames to send. Buffers are not copied.</summary>
    /// <param name="message">The message.</param>
    /// <param name="signer">The connection's signer.</param>
    /// <param name="identities">Frames before the delimiter; a DEALER sends none.</param>
    public static IReadOnlyList<ReadOnlyMemory<byte>> Write(
        JupyterMessage message, MessageSigner signer, params ReadOnlySpan<ReadOnlyMemory<byte>> identities)
    {
        ArgumentNullException.ThrowIfNull(message);
        ArgumentNullException.ThrowIfNull(signer);
        var frames = new ReadOnlyMemory<byte>[identities.Length + 6 + message.Buffers.Count];
        identities.CopyTo(frames);
        var at = identities.Length;
        frames[at++] = DelimiterFrame;
        frames[at++] = signer.Sign(message);
        frames[at++] = message.HeaderBytes;
        frames[at++] = message.ParentHeaderBytes;
        frames[at++] = message.MetadataBytes;
        frames[at++] = message.ContentBytes;
        for (var i = 0; i < message.Buffers.Count; i++)
        {
            frames[at++] = message.Buffers[i];
        }

        return frames;
    }

    /// <summary>Reads what came from a socket. Never throws for what a peer sent.</summary>
    /// <param name="frames">The frames; the message keeps them.</param>
    /// <param name="signer">The connection's signer.</param>
    /// <param name="message">The message, when the answer is <see cref="MessageFault.None"/>.</param>
    public static MessageFault Read(
        IReadOnlyList<ReadOnlyMemory<byte>> frames, MessageSigner signer, out JupyterMessage? message)
    {
        ArgumentNullException.ThrowIfNull(frames);
        ArgumentNullException.ThrowIfNull(signer);
        message = null;
        var delimiter = FindDelimiter(frames);
        if (delimiter < 0)
        {
            return MessageFault.NoDelimiter;
        }

        if (frames.Count - delimiter < 6)
        {
            return MessageFault.TooFewFrames;
        }

        // The size of the header is looked at before the HMAC, so that garbage is cheap to refuse.
        if (frames[delimiter + 2].Length > JupyterMessage.MaxHeaderBytes)
        {
            return MessageFault.HeaderTooLarge;
        }

        var authentic = signer.Verify(
            frames[delimiter + 1].Span,
            frames[delimiter + 2].Span,
            frames[delimiter + 3].Span,
            frames[delimiter + 4].Span,
            frames[delimiter + 5].Span);
        return authentic ? JupyterMessage.TryParse(frames, delimiter + 2, out message) : MessageFault.WrongSignature;
    }

    /// <summary>The parent's id in the leading frames of a message whose rest was cut off; null when it is not among them.</summary>
    internal static string? FindParent(IReadOnlyList<ReadOnlyMemory<byte>> frames)
    {
        var delimiter = FindDelimiter(frames);
        return delimiter >= 0
            && frames.Count > delimiter + 3
            && frames[delimiter + 3].Length <= JupyterMessage.MaxHeaderBytes
            && JsonScan.TryReadHeader(frames[delimiter + 3], out var parent, out _)
                ? parent
                : null;
    }

    private static int FindDelimiter(IReadOnlyList<ReadOnlyMemory<byte>> frames)
    {
        var last = Math.Min(frames.Count, MaxIdentities + 1);
        for (var i = 0; i < last; i++)
        {
            if (frames[i].Span.SequenceEqual(DelimiterFrame.Span))
            {
                return i;
            }
        }

        return -1;
    }
}
