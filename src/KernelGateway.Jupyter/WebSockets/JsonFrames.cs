using System.Buffers.Binary;
using System.Text;
using KernelGateway.Jupyter.Messaging;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

namespace KernelGateway.Jupyter.WebSockets;

/// <summary>
/// The older form: one JSON object as text, or, when there are buffers, binary: a number of offsets, the offsets (both 32
/// bits, big-endian), the JSON object, then the buffers.
/// </summary>
internal static class JsonFrames
{
    private const int Word = sizeof(uint);
    private const int MaxParts = 1024;

    /// <param name="channel">The channel.</param>
    /// <param name="message">The message.</param>
    /// <param name="isText">Whether it must be sent as text.</param>
    public static byte[] Write(KernelChannel channel, JupyterMessage message, out bool isText)
    {
        var json = LenientJson.Write(new JObject
        {
            ["channel"] = ChannelNames.Of(channel),
            ["msg_id"] = message.MsgId,
            ["msg_type"] = message.MsgType,
            ["header"] = LenientJson.ReadObject(message.HeaderBytes),
            ["parent_header"] = LenientJson.ReadObject(message.ParentHeaderBytes),
            ["metadata"] = message.Metadata,
            ["content"] = message.Content,
            ["buffers"] = new JArray(),
        });
        isText = message.Buffers.Count == 0;
        return isText ? json : WithBuffers(json, message.Buffers);
    }

    /// <summary>Reads a message that is whole. Never throws for what a peer sent.</summary>
    public static MessageFault Read(ReadOnlyMemory<byte> bytes, bool isText, out KernelChannel channel, out JupyterMessage? message)
    {
        channel = default;
        message = null;
        var json = bytes;
        List<ReadOnlyMemory<byte>> buffers = [];
        if (!isText && !TrySplit(bytes, out json, buffers))
        {
            return MessageFault.MalformedFrame;
        }

        try
        {
            var whole = LenientJson.ReadObject(json);
            if (whole["channel"] is not JValue { Value: string name } || !ChannelNames.TryRead(Encoding.UTF8.GetBytes(name), out channel))
            {
                return MessageFault.MalformedFrame;
            }

            return JupyterMessage.TryParse([Part(whole, "header"), Part(whole, "parent_header"), Part(whole, "metadata"), Part(whole, "content"), .. buffers], out message);
        }
        catch (JsonException)
        {
            return MessageFault.MalformedFrame;
        }
    }

    private static ReadOnlyMemory<byte> Part(JObject whole, string name) => whole[name] is { } part ? LenientJson.Write(part) : default(ReadOnlyMemory<byte>);

    private static byte[] WithBuffers(byte[] json, IReadOnlyList<ReadOnlyMemory<byte>> buffers)
    {
        ReadOnlyMemory<byte>[] parts = [json, .. buffers];
        var at = Word * (parts.Length + 1);
        var bytes = new byte[at + parts.Sum(part => part.Length)];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, (uint)parts.Length);
        for (var i = 0; i < parts.Length; i++)
        {
            BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(Word * (i + 1)), (uint)at);
            parts[i].Span.CopyTo(bytes.AsSpan(at));
            at += parts[i].Length;
        }

        return bytes;
    }

    private static bool TrySplit(ReadOnlyMemory<byte> bytes, out ReadOnlyMemory<byte> json, List<ReadOnlyMemory<byte>> buffers)
    {
        json = default;
        if (bytes.Length < Word)
        {
            return false;
        }

        var count = BinaryPrimitives.ReadUInt32BigEndian(bytes.Span);
        if (count is 0 or > MaxParts || bytes.Length < (count + 1) * Word)
        {
            return false;
        }

        var end = bytes.Length;
        var parts = new ReadOnlyMemory<byte>[count];
        for (var i = (int)count - 1; i >= 0; i--)
        {
            var offset = BinaryPrimitives.ReadUInt32BigEndian(bytes.Span[(Word * (i + 1))..]);
            if (offset < (count + 1) * Word || offset > end)
            {
                return false;
            }

            parts[i] = bytes[(int)offset..end];
            end = (int)offset;
        }

        json = parts[0];
        buffers.AddRange(parts.Skip(1));
        return true;
    }
}
