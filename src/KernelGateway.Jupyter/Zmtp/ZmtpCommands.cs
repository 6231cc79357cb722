using System.Buffers.Binary;
using System.Text;

namespace KernelGateway.Jupyter.Zmtp;

/// <summary>The commands of ZMTP 3.0 and 3.1 that a client needs, as bytes.</summary>
internal static class ZmtpCommands
{
    private const int MaxPingContext = 16;

    public static ReadOnlySpan<byte> Ready => "READY"u8;

    public static ReadOnlySpan<byte> Error => "ERROR"u8;

    public static ReadOnlySpan<byte> Ping => "PING"u8;

    private static ReadOnlySpan<byte> Pong => "PONG"u8;

    private static ReadOnlySpan<byte> Subscribe => "SUBSCRIBE"u8;

    /// <summary>Takes the name off a command.</summary>
    public static ReadOnlySpan<byte> ReadName(ReadOnlySpan<byte> command, out ReadOnlySpan<byte> data)
    {
        if (command.IsEmpty || command[0] == 0 || command[0] > command.Length - 1)
        {
            throw ZmtpException.Violation("A command has no name.");
        }

        var end = 1 + command[0];
        data = command[end..];
        return command[1..end];
    }

    /// <summary>READY with our type and routing id, as a frame.</summary>
    public static byte[] MakeReady(ZmtpSocketType type, ReadOnlySpan<byte> identity)
    {
        var body = new List<byte>(64);
        AddProperty(body, "Socket-Type"u8, Encoding.ASCII.GetBytes(type.WireName()));
        if (type != ZmtpSocketType.Sub)
        {
            AddProperty(body, "Identity"u8, identity);
        }

        return MakeFrame(Ready, body.ToArray());
    }

    /// <summary>PONG to the data of a PING, as a frame; what goes beyond the 16 bytes of context that the protocol allows is cut.</summary>
    public static byte[] MakePong(ReadOnlySpan<byte> pingData)
    {
        if (pingData.Length < 2)
        {
            throw ZmtpException.Violation("A PING without its time to live.");
        }

        var context = pingData[2..];
        return MakeFrame(Pong, context[..Math.Min(context.Length, MaxPingContext)]);
    }

    /// <summary>PING without context and without a time to live, as a frame.</summary>
    public static byte[] MakePing() => MakeFrame(Ping, [0, 0]);

    /// <summary>A subscription as the peer's version wants it: a command since 3.1, before that a message.</summary>
    public static byte[] MakeSubscription(ReadOnlySpan<byte> prefix, bool asCommand)
    {
        if (asCommand)
        {
            return MakeFrame(Subscribe, prefix);
        }

        var frame = new byte[FrameHeader.SizeFor(prefix.Length + 1) + 1 + prefix.Length];
        var size = FrameHeader.Write(frame, prefix.Length + 1, more: false);
        frame[size] = 1;
        prefix.CopyTo(frame.AsSpan(size + 1));
        return frame;
    }

    /// <summary>The socket type a peer's READY names.</summary>
    public static string ReadSocketType(ReadOnlySpan<byte> metadata)
    {
        string? type = null;
        while (!metadata.IsEmpty)
        {
            var nameLength = metadata[0];
            if (nameLength == 0 || metadata.Length < 1 + nameLength + 4)
            {
                throw ZmtpException.Violation("The metadata of READY is cut off.");
            }

            var name = metadata.Slice(1, nameLength);
            metadata = metadata[(1 + nameLength)..];
            var length = BinaryPrimitives.ReadUInt32BigEndian(metadata);
            metadata = metadata[4..];
            if (length > metadata.Length)
            {
                throw ZmtpException.Violation("A property of READY is longer than the command.");
            }

            // Names do not care for case (RFC 23 section "The NULL Security Mechanism").
            if (Ascii.EqualsIgnoreCase(name, "Socket-Type"u8))
            {
                type = ReadText(metadata[..(int)length], 16);
            }

            metadata = metadata[(int)length..];
        }

        return type ?? throw ZmtpException.Violation("READY names no socket type.");
    }

    /// <summary>The reason of an ERROR command.</summary>
    public static string ReadReason(ReadOnlySpan<byte> data) =>
        data.IsEmpty ? "" : ReadText(data.Slice(1, Math.Min(data[0], data.Length - 1)), byte.MaxValue);

    /// <summary>Text of the peer made fit for a log line.</summary>
    private static string ReadText(ReadOnlySpan<byte> bytes, int max)
    {
        Span<char> text = stackalloc char[Math.Min(bytes.Length, max)];
        for (var i = 0; i < text.Length; i++)
        {
            text[i] = bytes[i] is >= 0x20 and < 0x7F ? (char)bytes[i] : '?';
        }

        return new string(text);
    }

    private static void AddProperty(List<byte> body, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        Span<byte> length = stackalloc byte[4];
        BinaryPrimitives.WriteInt32BigEndian(length, value.Length);
        body.Add((byte)name.Length);
        body.AddRange(name);
        body.AddRange(length);
        body.AddRange(value);
    }

    private static byte[] MakeFrame(ReadOnlySpan<byte> name, ReadOnlySpan<byte> data)
    {
        var length = 1 + name.Length + data.Length;
        var frame = new byte[FrameHeader.SizeFor(length) + length];
        var size = FrameHeader.Write(frame, length, more: false, command: true);
        frame[size] = (byte)name.Length;
        name.CopyTo(frame.AsSpan(size + 1));
        data.CopyTo(frame.AsSpan(size + 1 + name.Length));
        return frame;
    }
}
