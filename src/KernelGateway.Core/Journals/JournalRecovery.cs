using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;

namespace KernelGateway.Core.Journals;

/// <summary>Reads a journal's folder from end to end when it is opened: finds where each segment is good and where it goes on.</summary>
internal sealed class JournalRecovery
{
    private readonly Action<JournalEntry>? replay;

    private JournalRecovery(Action<JournalEntry>? replay) => this.replay = replay;

    public List<JournalSegment> Segments { get; } = [];

    public List<string> Damage { get; } = [];

    /// <summary>The file to go on writing to; null: begin a new one.</summary>
    public SafeFileHandle? Active { get; private set; }

    public long LastSequence { get; private set; }

    public static JournalRecovery Run(string directory, Action<JournalEntry>? replay)
    {
        var recovery = new JournalRecovery(replay);
        var files = Directory.EnumerateFiles(directory, "*.jnl")
            .Select(path => (Path: path, First: FileJournalStore.FirstOf(path)))
            .Where(f => f.First is not null)
            .OrderBy(f => f.First)
            .ToList();
        for (var i = 0; i < files.Count; i++)
        {
            recovery.Take(files[i].Path, files[i].First!.Value, isLast: i == files.Count - 1);
        }

        return recovery;
    }

    private void Take(string path, long first, bool isLast)
    {
        var handle = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        var bytes = new byte[RandomAccess.GetLength(handle)];
        RandomAccess.Read(handle, bytes, 0);
        var segment = JournalSegment.Adopt(path, first, handle);
        if (segment is null)
        {
            Damage.Add($"{Path.GetFileName(path)} at offset 0: not a journal segment; its entries are lost.");
            handle.Dispose();
            LastSequence = Math.Max(LastSequence, first - 1 + (bytes.Length / JournalRecord.MinimumBody));
            File.Move(path, path + ".damaged", overwrite: true);
            return;
        }

        if (Segments.Count > 0 && first > Segments[^1].Last + 1 && Damage.Count == 0)
        {
            Damage.Add($"{Path.GetFileName(path)} at offset 0: entries {Segments[^1].Last + 1} to {first - 1}, which must stand before it, are missing.");
        }

        var intactToTheEnd = Scan(segment, bytes, isLast, out var torn);
        Segments.Add(segment);
        LastSequence = Math.Max(LastSequence, segment.Last);
        if (isLast && torn)
        {
            RandomAccess.SetLength(handle, segment.Length);
        }

        if (isLast && (intactToTheEnd || torn))
        {
            Active = handle;
            return;
        }

        handle.Dispose();
        if (!intactToTheEnd && !torn)
        {
            // How many entries the bad end held is unknown; their numbers may have been shown and must not come again.
            LastSequence += (bytes.Length - segment.Length) / JournalRecord.MinimumBody + 1;
        }
    }

    /// <returns>True when every byte belongs to a good record or to a bad stretch that ends before another good one.</returns>
    private bool Scan(JournalSegment segment, byte[] bytes, bool isLast, out bool torn)
    {
        torn = false;
        var at = (long)JournalSegment.HeaderSize;
        var resumed = false;
        while (at < bytes.Length)
        {
            if (TryRecord(segment, bytes, at, out var size))
            {
                var entry = JournalRecord.Read(bytes.AsMemory((int)at + JournalRecord.HeaderSize, size - JournalRecord.HeaderSize));
                segment.SkipTo(at);
                segment.Extend(entry.Sequence, entry.Sequence, at + size, resumed);
                resumed = false;
                replay?.Invoke(entry);
                at += size;
                continue;
            }

            var next = NextGood(segment, bytes, at + 1);
            Damage.Add($"{Path.GetFileName(segment.Path)} at offset {at}: bad record"
                + (next < 0 ? "; nothing good follows." : $"; goes on at offset {next}."));
            if (next < 0)
            {
                torn = isLast && RunsPastTheEnd(bytes, at); // A segment is complete before the next one is begun.
                if (torn)
                {
                    Damage.RemoveAt(Damage.Count - 1); // A write that a crash cut short was never shown: no damage.
                }

                return false;
            }

            at = next;
            resumed = true;
        }

        return true;
    }

    private static bool TryRecord(JournalSegment segment, byte[] bytes, long at, out int size)
    {
        size = 0;
        var rest = bytes.AsSpan((int)at);
        if (rest.Length < JournalRecord.HeaderSize
            || !JournalRecord.TryReadHeader(rest, out var length)
            || rest.Length < JournalRecord.HeaderSize + length)
        {
            return false;
        }

        size = JournalRecord.HeaderSize + length;
        var body = rest.Slice(JournalRecord.HeaderSize, length);
        return JournalRecord.Sequence(body) > segment.Last && JournalRecord.IsIntact(rest, segment.Nonce, body);
    }

    private static long NextGood(JournalSegment segment, byte[] bytes, long from)
    {
        for (var at = from; at + JournalRecord.HeaderSize + JournalRecord.MinimumBody <= bytes.Length; at++)
        {
            // The number is checked first: it makes nearly every wrong place cost a few instructions.
            var sequence = BinaryPrimitives.ReadInt64LittleEndian(bytes.AsSpan((int)at + JournalRecord.HeaderSize));
            if (sequence > segment.Last
                && sequence <= segment.Last + 1 + (at - segment.Length) / JournalRecord.MinimumBody + 1
                && TryRecord(segment, bytes, at, out _))
            {
                return at;
            }
        }

        return -1;
    }

    private static bool RunsPastTheEnd(byte[] bytes, long at)
    {
        var rest = bytes.AsSpan((int)at);
        return rest.Length < JournalRecord.HeaderSize
            || (JournalRecord.TryReadHeader(rest, out var length) && rest.Length < JournalRecord.HeaderSize + length);
    }
}
