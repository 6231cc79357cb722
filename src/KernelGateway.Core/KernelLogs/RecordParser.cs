using System.Buffers.Binary;
using KernelGateway.Core.Journals;

namespace KernelGateway.Core.KernelLogs;

/// <summary>What was found at a position.</summary>
internal enum ParseOutcome
{
    /// <summary>No complete record is there now.</summary>
    Nothing,

    /// <summary>A record with the right checksum and form; its number is not checked.</summary>
    Record,

    /// <summary>Something that can never become a record.</summary>
    Fault,
}

/// <summary>Turns bytes into records: u32 length, u32 CRC-32, u64 sequence, u8 kind, 3 zero bytes, payload; little endian.</summary>
internal sealed class RecordParser(int payloadLimit)
{
    public const int HeadSize = 20;

    private const int CheckedHeadStart = 8;
    private const int KindOffset = 16;
    private const int CountSize = 2;
    private const int LengthSize = 4;

    public KernelLogFaultKind FaultKind { get; private set; }

    public string FaultMessage { get; private set; } = string.Empty;

    /// <summary>Parses what stands at a position, to which the segment's reading has come; consumes only whole records.</summary>
    public ParseOutcome Parse(SegmentReader segment, KernelLogPosition position, out KernelLogRecord? record)
    {
        record = null;
        if (!segment.Fill(HeadSize))
        {
            return ParseOutcome.Nothing;
        }

        Span<byte> head = stackalloc byte[HeadSize];
        segment.Available[..HeadSize].CopyTo(head);
        uint length = BinaryPrimitives.ReadUInt32LittleEndian(head);
        if (length > payloadLimit)
        {
            return Faulty(KernelLogFaultKind.TooLong, $"A record claims {length} bytes; {payloadLimit} are allowed.");
        }

        if (!TryTakePayload(segment, position, (int)length, out byte[] payload))
        {
            return ParseOutcome.Nothing;
        }

        uint checksum = Crc32.Append(Crc32.Compute(head[CheckedHeadStart..]), payload);
        if (checksum != BinaryPrimitives.ReadUInt32LittleEndian(head[4..]))
        {
            return Faulty(KernelLogFaultKind.Checksum, "A record's checksum is wrong.");
        }

        ulong sequence = BinaryPrimitives.ReadUInt64LittleEndian(head[CheckedHeadStart..]);
        uint kind = BinaryPrimitives.ReadUInt32LittleEndian(head[KindOffset..]);
        if (sequence is 0 or > long.MaxValue || kind is < (uint)KernelLogKind.IOPub or > (uint)KernelLogKind.CommandEnd)
        {
            return Faulty(KernelLogFaultKind.Malformed, "A record's number or kind is impossible.");
        }

        ReadOnlyMemory<byte>[]? frames = SplitFrames(payload);
        if (frames is null)
        {
            return Faulty(KernelLogFaultKind.Malformed, "A record's frames do not add up.");
        }

        var after = new KernelLogPosition(position.Segment, position.Offset + HeadSize + length, (long)sequence);
        record = new KernelLogRecord((KernelLogKind)kind, after, frames);
        return ParseOutcome.Record;
    }

    private static bool TryTakePayload(SegmentReader segment, KernelLogPosition position, int length, out byte[] payload)
    {
        payload = [];
        bool fits = HeadSize + length <= SegmentReader.BufferSize;

        // Asked before any memory is set aside: a forged length costs nothing while its bytes are not there.
        if (fits ? !segment.Fill(HeadSize + length) : segment.Length() < position.Offset + HeadSize + length)
        {
            return false;
        }

        payload = GC.AllocateUninitializedArray<byte>(length);
        segment.Consume(HeadSize);
        if (segment.Take(payload))
        {
            return true;
        }

        segment.Rewind(position.Offset);
        return false;
    }

    private static ReadOnlyMemory<byte>[]? SplitFrames(byte[] payload)
    {
        if (payload.Length < CountSize)
        {
            return null;
        }

        int count = BinaryPrimitives.ReadUInt16LittleEndian(payload);
        if (payload.Length < CountSize + (count * LengthSize))
        {
            return null;
        }

        var frames = new ReadOnlyMemory<byte>[count];
        int offset = CountSize;
        for (int index = 0; index < count; index++)
        {
            if (payload.Length - offset < LengthSize)
            {
                return null;
            }

            uint length = BinaryPrimitives.ReadUInt32LittleEndian(payload.AsSpan(offset));
            offset += LengthSize;
            if (length > payload.Length - offset)
            {
                return null;
            }

            frames[index] = payload.AsMemory(offset, (int)length);
            offset += (int)length;
        }

        return offset == payload.Length ? frames : null;
    }

    private ParseOutcome Faulty(KernelLogFaultKind kind, string message)
    {
        FaultKind = kind;
        FaultMessage = message;
        return ParseOutcome.Fault;
    }
}
