using System.Buffers.Binary;
using System.Text;

namespace KernelGateway.Core.Journals;

/// <summary>
/// The bytes of an entry on disk, little endian:
/// <c>u32 length of body | u32 CRC-32 of the segment's nonce and the body | body</c>, the body being
/// <c>i64 sequence | i64 microseconds since 1970 | u8 kind | u8 channel | u8+text context | u8+text execution |
/// u8+text kernel [| i64 segment | i64 offset | i64 sequence] | u16 frames | (u32 length | bytes)…</c>
/// </summary>
internal static class JournalRecord
{
    public const int HeaderSize = 8;

    /// <summary>No body is shorter: the fixed fields and three empty texts.</summary>
    public const int MinimumBody = 8 + 8 + 1 + 1 + 3 + 2;

    /// <summary>No body is longer; a length beyond it is damage.</summary>
    public const int MaximumBody = 256 << 20;

    private const int LongestText = 255;

    public static int Size(JournalEntry entry)
    {
        var size = HeaderSize + MinimumBody + Text(entry.ContextId) + Text(entry.ExecutionId);
        if (entry.Source is { } source)
        {
            size += Text(source.KernelId) + 24;
        }

        foreach (var frame in entry.Frames)
        {
            size = checked(size + 4 + frame.Length);
        }

        return size - HeaderSize <= MaximumBody
            ? size
            : throw new ArgumentException($"A journal entry of {size} bytes is over the limit of {MaximumBody}.", nameof(entry));

        static int Text(string text)
        {
            var bytes = Encoding.UTF8.GetByteCount(text);
            return bytes <= LongestText
                ? bytes
                : throw new ArgumentException($"An id of {bytes} bytes does not fit into a journal entry.", nameof(text));
        }
    }

    /// <summary>Writes the entry to the start of <paramref name="target"/>, which is exactly <see cref="Size"/> long.</summary>
    public static void Write(JournalEntry entry, ulong nonce, Span<byte> target)
    {
        var at = HeaderSize;
        BinaryPrimitives.WriteInt64LittleEndian(target[at..], entry.Sequence);
        BinaryPrimitives.WriteInt64LittleEndian(target[(at + 8)..], Microseconds(entry.Time));
        target[at + 16] = (byte)entry.Kind;
        target[at + 17] = (byte)entry.Channel;
        at += 18;
        WriteText(entry.ContextId, target, ref at);
        WriteText(entry.ExecutionId, target, ref at);
        WriteText(entry.Source?.KernelId ?? "", target, ref at);
        if (entry.Source is { } source)
        {
            BinaryPrimitives.WriteInt64LittleEndian(target[at..], source.Segment);
            BinaryPrimitives.WriteInt64LittleEndian(target[(at + 8)..], source.Offset);
            BinaryPrimitives.WriteInt64LittleEndian(target[(at + 16)..], source.Sequence);
            at += 24;
        }

        BinaryPrimitives.WriteUInt16LittleEndian(target[at..], checked((ushort)entry.Frames.Count));
        at += 2;
        foreach (var frame in entry.Frames)
        {
            BinaryPrimitives.WriteInt32LittleEndian(target[at..], frame.Length);
            frame.Span.CopyTo(target[(at + 4)..]);
            at += 4 + frame.Length;
        }

        var body = target[HeaderSize..at];
        BinaryPrimitives.WriteInt32LittleEndian(target, body.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(target[4..], Crc(nonce, body));
    }

    /// <summary>The body's length when the header can be that of a record; otherwise false: damage.</summary>
    public static bool TryReadHeader(ReadOnlySpan<byte> header, out int bodyLength)
    {
        bodyLength = BinaryPrimitives.ReadInt32LittleEndian(header);
        return bodyLength is >= MinimumBody and <= MaximumBody;
    }

    public static bool IsIntact(ReadOnlySpan<byte> header, ulong nonce, ReadOnlySpan<byte> body) =>
        BinaryPrimitives.ReadUInt32LittleEndian(header[4..]) == Crc(nonce, body);

    public static long Sequence(ReadOnlySpan<byte> body) => BinaryPrimitives.ReadInt64LittleEndian(body);

    /// <summary>Reads a body whose CRC was right. The frames are slices of <paramref name="body"/>.</summary>
    public static JournalEntry Read(ReadOnlyMemory<byte> body)
    {
        var span = body.Span;
        var at = 18;
        var context = ReadText(span, ref at);
        var execution = ReadText(span, ref at);
        var kernel = ReadText(span, ref at);
        SourcePosition? source = null;
        if (kernel.Length > 0)
        {
            source = new SourcePosition(
                kernel,
                BinaryPrimitives.ReadInt64LittleEndian(span[at..]),
                BinaryPrimitives.ReadInt64LittleEndian(span[(at + 8)..]),
                BinaryPrimitives.ReadInt64LittleEndian(span[(at + 16)..]));
            at += 24;
        }

        var frames = new ReadOnlyMemory<byte>[BinaryPrimitives.ReadUInt16LittleEndian(span[at..])];
        at += 2;
        for (var i = 0; i < frames.Length; i++)
        {
            var length = BinaryPrimitives.ReadInt32LittleEndian(span[at..]);
            frames[i] = body.Slice(at + 4, length);
            at += 4 + length;
        }

        return new JournalEntry
        {
            Sequence = Sequence(span),
            Time = DateTimeOffset.UnixEpoch.AddMicroseconds(BinaryPrimitives.ReadInt64LittleEndian(span[8..])),
            Kind = (JournalEntryKind)span[16],
            Channel = (JournalChannel)span[17],
            ContextId = context,
            ExecutionId = execution,
            Source = source,
            Frames = frames,
        };
    }

    private static uint Crc(ulong nonce, ReadOnlySpan<byte> body)
    {
        Span<byte> seed = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(seed, nonce);
        return Crc32.Append(Crc32.Compute(seed), body);
    }

    private static long Microseconds(DateTimeOffset time) =>
        (time - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond;

    private static void WriteText(string text, Span<byte> target, ref int at)
    {
        var length = Encoding.UTF8.GetBytes(text, target[(at + 1)..]);
        target[at] = (byte)length;
        at += 1 + length;
    }

    private static string ReadText(ReadOnlySpan<byte> span, ref int at)
    {
        var length = span[at];
        var text = length == 0 ? "" : Encoding.UTF8.GetString(span.Slice(at + 1, length));
        at += 1 + length;
        return text;
    }
}
