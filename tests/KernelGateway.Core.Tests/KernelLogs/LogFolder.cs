using System.Buffers.Binary;
using System.Text;
using KernelGateway.Core.Journals;
using KernelGateway.Core.KernelLogs;
using KernelGateway.Core.Provisioning;
using KernelGateway.Core.Tests.Support;

namespace KernelGateway.Core.Tests.KernelLogs;

/// <summary>A log folder written by the test itself, from the description of the format.</summary>
internal sealed class LogFolder : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public string Path => _folder.Path;

    public KernelLogLocation Location => new(_folder.Path, Posix.Uid);

    public KernelLogReader Open(KernelLogPosition? start = null, KernelLogOptions? options = null) =>
        KernelLogReader.Open(Location, start ?? KernelLogPosition.Start, options ?? new KernelLogOptions());

    public string Segment(long number) => System.IO.Path.Combine(_folder.Path, $"{number:D10}.seg");

    public void Write(long segment, params byte[][] records) => File.WriteAllBytes(Segment(segment), Join(records));

    public void Append(long segment, ReadOnlySpan<byte> bytes)
    {
        using FileStream file = new(Segment(segment), FileMode.Append, FileAccess.Write, FileShare.ReadWrite);
        file.Write(bytes);
    }

    public static byte[] Join(params byte[][] parts) => parts.SelectMany(part => part).ToArray();

    public static byte[] Record(long sequence, params string[] frames) =>
        Record(sequence, 1, frames.Select(Encoding.UTF8.GetBytes).ToArray());

    public static byte[] Record(long sequence, byte kind, byte[][] frames)
    {
        using var payload = new MemoryStream();
        Span<byte> number = stackalloc byte[4];
        BinaryPrimitives.WriteUInt16LittleEndian(number, (ushort)frames.Length);
        payload.Write(number[..2]);
        foreach (byte[] frame in frames)
        {
            BinaryPrimitives.WriteInt32LittleEndian(number, frame.Length);
            payload.Write(number);
            payload.Write(frame);
        }

        return RawRecord(sequence, kind, payload.ToArray());
    }

    public static byte[] RawRecord(long sequence, byte kind, byte[] payload)
    {
        byte[] record = new byte[20 + payload.Length];
        BinaryPrimitives.WriteInt32LittleEndian(record, payload.Length);
        BinaryPrimitives.WriteInt64LittleEndian(record.AsSpan(8), sequence);
        record[16] = kind;
        payload.CopyTo(record, 20);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(4), Crc32.Compute(record.AsSpan(8)));
        return record;
    }

    public static string Text(KernelLogRecord record, int frame = 0) => Encoding.UTF8.GetString(record.Frames[frame].Span);

    public static KernelLogRecord Next(KernelLogReader reader)
    {
        reader.TryRead(out KernelLogRecord? record).Should().BeTrue("a record is there (fault: {0})", reader.Fault);
        return record!;
    }

    public static KernelLogFault NextFault(KernelLogReader reader)
    {
        reader.TryRead(out KernelLogRecord? record).Should().BeFalse("the log is faulty, not record {0}", record?.Sequence);
        reader.Fault.Should().NotBeNull();
        return reader.Fault!;
    }

    public static void NothingMore(KernelLogReader reader)
    {
        reader.TryRead(out KernelLogRecord? record).Should().BeFalse("nothing more is there, not record {0}", record?.Sequence);
        reader.Fault.Should().BeNull();
    }

    public void Dispose() => _folder.Dispose();
}
