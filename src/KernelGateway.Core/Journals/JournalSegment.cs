using System.Buffers.Binary;
using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;

namespace KernelGateway.Core.Journals;

/// <summary>
/// One file of a journal: <c>u32 magic | u32 version | u64 nonce</c>, then records. Named by its first number.
/// The nonce seeds every CRC, so that bytes which user code printed can never pass for a record when a reader looks
/// for the next good one behind damage.
/// </summary>
internal sealed class JournalSegment
{
    public const int HeaderSize = 16;
    private const uint Magic = 0x314A474B; // "KGJ1"
    private const uint Version = 1;
    private const int IndexEvery = 64 << 10;

    private readonly Lock _gate = new();
    private readonly List<(long Sequence, long Offset)> _index = [];
    private long _length;

    private JournalSegment(string path, long first, ulong nonce)
    {
        Path = path;
        First = first;
        Last = first - 1;
        Nonce = nonce;
        _length = HeaderSize;
    }

    public string Path { get; }

    /// <summary>The number that the first record has, or would have.</summary>
    public long First { get; }

    /// <summary>The number of the last record; <c>First - 1</c> when there is none.</summary>
    public long Last { get; private set; }

    /// <summary>Seeds the CRC of each record.</summary>
    public ulong Nonce { get; }

    /// <summary>Bytes that readers may look at.</summary>
    public long Length => Volatile.Read(ref _length);

    public static string NameOf(long first) => first.ToString("D19", System.Globalization.CultureInfo.InvariantCulture) + ".jnl";

    /// <summary>Makes a new, empty file.</summary>
    public static JournalSegment Create(string directory, long first, out SafeFileHandle handle)
    {
        var path = System.IO.Path.Combine(directory, NameOf(first));
        Span<byte> header = stackalloc byte[HeaderSize];
        BinaryPrimitives.WriteUInt32LittleEndian(header, Magic);
        BinaryPrimitives.WriteUInt32LittleEndian(header[4..], Version);
        RandomNumberGenerator.Fill(header[8..]);
        handle = File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        try
        {
            RandomAccess.Write(handle, header, 0);
        }
        catch
        {
            handle.Dispose();
            File.Delete(path);
            throw;
        }

        return new JournalSegment(path, first, BinaryPrimitives.ReadUInt64LittleEndian(header[8..]));
    }

    /// <summary>Takes an existing file; null when not even its header can be read.</summary>
    public static JournalSegment? Adopt(string path, long first, SafeFileHandle handle)
    {
        Span<byte> header = stackalloc byte[HeaderSize];
        return RandomAccess.Read(handle, header, 0) == HeaderSize
            && BinaryPrimitives.ReadUInt32LittleEndian(header) == Magic
            && BinaryPrimitives.ReadUInt32LittleEndian(header[4..]) == Version
                ? new JournalSegment(path, first, BinaryPrimitives.ReadUInt64LittleEndian(header[8..]))
                : null;
    }

    /// <summary>Says that records up to <paramref name="last"/> now lie between the present end and <paramref name="newLength"/>.</summary>
    public void Extend(long firstOfBatch, long last, long newLength, bool resumed = false)
    {
        lock (_gate)
        {
            if (resumed || _index.Count == 0 || Length - _index[^1].Offset >= IndexEvery)
            {
                _index.Add((firstOfBatch, Length));
            }

            Last = last;
        }

        Volatile.Write(ref _length, newLength);
    }

    /// <summary>Moves the end over bytes that hold no good record.</summary>
    public void SkipTo(long offset) => Volatile.Write(ref _length, offset);

    /// <summary>The best offset to begin at when looking for a number.</summary>
    public long OffsetBefore(long sequence)
    {
        lock (_gate)
        {
            var found = HeaderSize + 0L;
            foreach (var (first, offset) in _index)
            {
                if (first > sequence)
                {
                    break;
                }

                found = offset;
            }

            return found;
        }
    }

    /// <summary>The first known start of a record behind <paramref name="offset"/>; -1 when there is none.</summary>
    public long OffsetBehind(long offset)
    {
        lock (_gate)
        {
            foreach (var (_, start) in _index)
            {
                if (start > offset)
                {
                    return start;
                }
            }

            return -1;
        }
    }
}
