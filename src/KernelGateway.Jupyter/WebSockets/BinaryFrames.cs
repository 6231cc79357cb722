using System.Buffers.Binary;
using System.Text;
using KernelGateway.Jupyter.Messaging;

namespace KernelGateway.Jupyter.WebSockets;

/// <summary>
/// The form of <see cref="ServerKernel.BinaryProtocol"/>: a number of offsets, the offsets (both 64 bits, little-endian), then
/// channel, header, parent header, metadata, content and buffers, each from its offset to the next.
/// </summary>
internal static class BinaryFrames
{
    private const int Word = sizeof(ulong);
    private const int PartsBeforeBuffers = 5;
    private const int MaxParts = 1024;

    public static byte[] Write(KernelChannel channel, JupyterMessage message)
    {
        ReadOnlyMemory<byte>[] parts =
        [
            Encoding.ASCII.GetBytes(ChannelNames.Of(channel)),
            message.HeaderBytes,
            message.ParentHeaderBytes,
            message.MetadataBytes,
            message.ContentBytes,
            .. message.Buffers,
        ];
        var at = Word * (parts.Length + 2);
        var bytes = new byte[at + parts.Sum(part => part.Length)];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, (ulong)(parts.Length + 1));
        for (var i = 0; i < parts.Length; i++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(Word * (i + 1)), (ulong)at);
            parts[i].Span.CopyTo(bytes.AsSpan(at));
            at += parts[i].Length;
        }

        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(Word * (parts.Length + 1)), (ulong)at);
        return bytes;
    }

    /// <summary>Reads a message that is whole. Never throws for what a peer sent.</summary>
    public static MessageFault Read(ReadOnlyMemory<byte> bytes, out KernelChannel channel, out JupyterMessage? message)
    {
        message = null;
        channel = default;
        if (!TryReadOffsets(bytes.Span, bytes.Length, out var offsets))
        {
            return MessageFault.MalformedFrame;
        }

        if (!ChannelNames.TryRead(bytes.Span[offsets[0]..offsets[1]], out channel))
        {
            return MessageFault.MalformedFrame;
        }

        var frames = new ReadOnlyMemory<byte>[offsets.Length - 2];
        for (var i = 0; i < frames.Length; i++)
        {
            frames[i] = bytes[offsets[i + 1]..offsets[i + 2]];
        }

        return JupyterMessage.TryParse(frames, out message);
    }

    /// <summary>From the beginning of a message that was too large: where it came from, and whose answer it is.</summary>
    /// <param name="start">As much of it as was kept.</param>
    /// <param name="total">The bytes it has.</param>
    /// <param name="channel">The channel.</param>
    /// <param name="parent">The parent's id, when it is in the part that was kept.</param>
    public static bool TryReadStart(ReadOnlyMemory<byte> start, long total, out KernelChannel channel, out string? parent)
    {
        channel = default;
        parent = null;
        if (!TryReadOffsets(start.Span, total, out var offsets) || offsets[3] > start.Length || !ChannelNames.TryRead(start.Span[offsets[0]..offsets[1]], out channel))
        {
            return false;
        }

        return offsets[3] - offsets[2] > JupyterMessage.MaxHeaderBytes || JsonScan.TryReadHeader(start[offsets[2]..offsets[3]], out parent, out _);
    }

    /// <summary>The offsets, checked: in order, behind the table, and the last one the end.</summary>
    private static bool TryReadOffsets(ReadOnlySpan<byte> bytes, long total, out int[] offsets)
    {
        offsets = [];
        if (bytes.Length < Word || total > int.MaxValue)
        {
            return false;
        }

        var count = BinaryPrimitives.ReadUInt64LittleEndian(bytes);
        if (count is < PartsBeforeBuffers + 1 or > MaxParts || (ulong)bytes.Length < (count + 1) * Word)
        {
            return false;
        }

        offsets = new int[count];
        var least = (count + 1) * Word;
        for (var i = 0; i < offsets.Length; i++)
        {
            var offset = BinaryPrimitives.ReadUInt64LittleEndian(bytes[(Word * (i + 1))..]);
            if (offset < least || offset > (ulong)total)
            {
                return false;
            }

            offsets[i] = (int)(least = offset);
        }

        return offsets[^1] == total;
    }
}
