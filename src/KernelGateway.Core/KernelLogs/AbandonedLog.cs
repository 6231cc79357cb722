using System.Buffers.Binary;
using KernelGateway.Core.Journals;
using KernelGateway.Core.Provisioning;

namespace KernelGateway.Core.KernelLogs;

/// <summary>The log of a command whose writer is gone and can never say how it ended: it is brought to an end for it, so that nobody waits for ever.</summary>
public static class AbandonedLog
{
    private const int HeadSize = 20;

    /// <summary>Adds an end that says nothing, in a segment of its own. Only for folders of the gateway itself, to which nobody else writes any more.</summary>
    /// <param name="location">The folder; somebody may be reading it.</param>
    /// <param name="segment">The number of the new segment, larger than those that are there.</param>
    public static void WriteEnd(KernelLogLocation location, long segment)
    {
        ArgumentNullException.ThrowIfNull(location);
        long last;
        using (var reader = KernelLogReader.Open(location, KernelLogPosition.Start, new KernelLogOptions()))
        {
            while (reader.TryRead(out _) || reader.Fault is not null)
            {
                // To the end: the reader knows the number of the last record.
            }

            last = reader.Position.Sequence;
        }

        // One frame with the JSON value null.
        byte[] payload = [1, 0, 4, 0, 0, 0, .. "null"u8];
        var record = new byte[HeadSize + payload.Length];
        BinaryPrimitives.WriteUInt32LittleEndian(record, (uint)payload.Length);
        BinaryPrimitives.WriteUInt64LittleEndian(record.AsSpan(8), (ulong)last + 1);
        record[16] = (byte)KernelLogKind.CommandEnd;
        payload.CopyTo(record, HeadSize);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(4), Crc32.Compute(record.AsSpan(8)));
        File.WriteAllBytes(Path.Combine(location.Directory, SegmentName.Of(segment)), record);
    }
}
