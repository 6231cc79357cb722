using System.Buffers.Binary;

namespace KernelGateway.Jupyter.Zmtp;

/// <summary>Flags and length in front of every frame (RFC 23 section "Framing").</summary>
internal readonly record struct FrameHeader(bool More, bool Command, int Size, long Length)
{
    public const int MaxSize = 9;

    private const byte MoreFlag = 1;
    private const byte LongFlag = 2;
    private const byte CommandFlag = 4;

    /// <summary>False when there are not enough bytes yet.</summary>
    public static bool TryParse(ReadOnlySpan<byte> bytes, out FrameHeader header)
    {
        header = default;
        if (bytes.IsEmpty)
        {
            return false;
        }

        var flags = bytes[0];
        if ((flags & ~(MoreFlag | LongFlag | CommandFlag)) != 0)
        {
            throw ZmtpException.Violation("A frame uses reserved flag bits.");
        }

        var command = (flags & CommandFlag) != 0;
        var more = (flags & MoreFlag) != 0;
        if (command && more)
        {
            throw ZmtpException.Violation("A command frame claims to be continued.");
        }

        if ((flags & LongFlag) == 0)
        {
            if (bytes.Length < 2)
            {
                return false;
            }

            header = new FrameHeader(more, command, 2, bytes[1]);
            return true;
        }

        if (bytes.Length < MaxSize)
        {
            return false;
        }

        var length = BinaryPrimitives.ReadInt64BigEndian(bytes[1..]);
        if (length < 0)
        {
            throw ZmtpException.Violation("The length of a frame is beyond 63 bits.");
        }

        header = new FrameHeader(more, command, MaxSize, length);
        return true;
    }

    public static int SizeFor(int length) => length <= byte.MaxValue ? 2 : MaxSize;

    /// <summary>Writes a header and gives its size.</summary>
    public static int Write(Span<byte> target, int length, bool more, bool command = false)
    {
        var flags = (byte)((more ? MoreFlag : 0) | (command ? CommandFlag : 0));
        if (length <= byte.MaxValue)
        {
            target[0] = flags;
            target[1] = (byte)length;
            return 2;
        }

        target[0] = (byte)(flags | LongFlag);
        BinaryPrimitives.WriteInt64BigEndian(target[1..], length);
        return MaxSize;
    }
}
