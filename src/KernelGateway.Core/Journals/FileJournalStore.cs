using System.Globalization;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Faults;
using Microsoft.Win32.SafeHandles;

namespace KernelGateway.Core.Journals;

/// <summary>A journal in a folder of segment files. Appends go to the page cache in one write, so a crash of the process loses nothing.</summary>
public sealed class FileJournalStore : IJournalStore
{
    private readonly Lock _gate = new();
    private readonly string _directory;
    private readonly JournalOptions _options;
    private readonly List<JournalSegment> _segments;
    private SafeFileHandle? _active;
    private byte[] _buffer = [];
    private long _lastSequence;
    private bool _dirty;

    // Closed segments that are not yet safe against a power cut.
    private readonly List<SafeFileHandle> _retired = [];

    private FileJournalStore(string directory, JournalOptions options, JournalRecovery recovered)
    {
        _directory = directory;
        _options = options;
        _segments = recovered.Segments;
        _active = recovered.Active;
        _lastSequence = recovered.LastSequence;
        Damage = recovered.Damage;
    }

    /// <summary>What was found damaged when the journal was opened; a sentence each, with file and offset.</summary>
    public IReadOnlyList<string> Damage { get; }

    /// <inheritdoc/>
    public long LastSequence => Volatile.Read(ref _lastSequence);

    /// <inheritdoc/>
    public long FirstSequence
    {
        get
        {
            lock (_gate)
            {
                return _segments.Count == 0 ? _lastSequence + 1 : _segments[0].First;
            }
        }
    }

    /// <summary>Opens the journal in <paramref name="directory"/>, making it when it is not there, and checks every record.</summary>
    /// <param name="directory">A folder that nobody but the gateway can write to.</param>
    /// <param name="options">Bounds.</param>
    /// <param name="replay">Is given every good entry in order; may be null.</param>
    public static FileJournalStore Open(string directory, JournalOptions options, Action<JournalEntry>? replay = null)
    {
        Directory.CreateDirectory(directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return new FileJournalStore(directory, options, JournalRecovery.Run(directory, replay));
    }

    /// <inheritdoc/>
    public void Append(IReadOnlyList<JournalEntry> entries)
    {
        lock (_gate)
        {
            var total = 0;
            foreach (var entry in entries)
            {
                total = checked(total + JournalRecord.Size(entry));
            }

            try
            {
                var segment = SegmentFor(total, entries[0].Sequence);
                if (_buffer.Length < total)
                {
                    _buffer = new byte[Math.Max(total, 64 << 10)];
                }

                var at = 0;
                foreach (var entry in entries)
                {
                    var size = JournalRecord.Size(entry);
                    JournalRecord.Write(entry, segment.Nonce, _buffer.AsSpan(at, size));
                    at += size;
                }

                Fault.At("journal.before_write");
                Write(segment, _buffer.AsSpan(0, total));
                Fault.At("journal.after_write");
                _dirty = true;
                if (_options.FlushIntervalMilliseconds == 0)
                {
                    FlushUnderGate(); // Before anybody can read it.
                }

                segment.Extend(entries[0].Sequence, entries[^1].Sequence, segment.Length + total);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new GatewayException(ErrorCode.StorageFull, $"The journal cannot be written: {e.Message} Free space on the gateway's data disk; it goes on by itself.", inner: e);
            }

            Volatile.Write(ref _lastSequence, entries[^1].Sequence);
            if (_buffer.Length > 4 << 20)
            {
                _buffer = []; // One huge message must not cost its size for ever.
            }
        }
    }

    /// <inheritdoc/>
    public void Flush()
    {
        // Outside the gate: nobody who appends waits for the disk.
        SafeFileHandle? current;
        SafeFileHandle[] closed;
        lock (_gate)
        {
            current = _dirty ? _active : null;
            closed = [.. _retired];
            _retired.Clear();
            _dirty = false;
        }

        foreach (var handle in closed)
        {
            using (handle)
            {
                RandomAccess.FlushToDisk(handle);
            }
        }

        try
        {
            if (current is { IsClosed: false })
            {
                RandomAccess.FlushToDisk(current);
            }
        }
        catch (IOException)
        {
            lock (_gate)
            {
                _dirty = true; // The next one tries again.
            }

            throw;
        }
    }

    /// <inheritdoc/>
    public void RemoveOlderThan(DateTimeOffset before)
    {
        lock (_gate)
        {
            while (_segments.Count > 1 && File.GetLastWriteTimeUtc(_segments[0].Path) < before.UtcDateTime)
            {
                RemoveOldest();
            }
        }
    }

    /// <inheritdoc/>
    public IJournalCursor OpenCursor(long after) => new FileJournalCursor(this, after + 1);

    /// <inheritdoc/>
    public void Seal()
    {
        try
        {
            Flush();
        }
        finally
        {
            lock (_gate)
            {
                _active?.Dispose();
                _active = null;
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Seal();

    /// <summary>The segment that holds <paramref name="sequence"/>, or the first behind it; null when there is none.</summary>
    internal JournalSegment? Find(long sequence)
    {
        lock (_gate)
        {
            foreach (var segment in _segments)
            {
                if (segment.Last >= sequence || ReferenceEquals(segment, _segments[^1]))
                {
                    return segment;
                }
            }

            return null;
        }
    }

    internal bool IsLast(JournalSegment segment)
    {
        lock (_gate)
        {
            return _segments.Count > 0 && ReferenceEquals(_segments[^1], segment);
        }
    }

    private void FlushUnderGate()
    {
        foreach (var handle in _retired)
        {
            using (handle)
            {
                RandomAccess.FlushToDisk(handle);
            }
        }

        _retired.Clear();
        RandomAccess.FlushToDisk(_active!);
        _dirty = false;
    }

    private JournalSegment SegmentFor(int bytes, long sequence)
    {
        if (_active is not null && (_segments[^1].Length + bytes <= _options.SegmentBytes || _segments[^1].Length == JournalSegment.HeaderSize))
        {
            return _segments[^1];
        }

        var fresh = JournalSegment.Create(_directory, sequence, out var handle);
        if (_active is not null)
        {
            _retired.Add(_active);
        }

        _active = handle;
        _segments.Add(fresh);
        var total = _segments.Sum(s => s.Length);
        while (_segments.Count > 1 && total + bytes > _options.MaxBytes)
        {
            total -= _segments[0].Length;
            RemoveOldest();
        }

        Fault.At("journal.after_rotate");
        return fresh;
    }

    private void RemoveOldest()
    {
        File.Delete(_segments[0].Path); // A reader in the middle of it keeps its open file.
        _segments.RemoveAt(0);
    }

    private void Write(JournalSegment segment, ReadOnlySpan<byte> bytes)
    {
        try
        {
            RandomAccess.Write(_active!, bytes, segment.Length);
        }
        catch (IOException)
        {
            TryCut(_active!, segment.Length); // Half a batch must not be taken for damage later.
            throw;
        }
    }

    private static void TryCut(SafeFileHandle handle, long length)
    {
        try
        {
            RandomAccess.SetLength(handle, length);
        }
        catch (IOException)
        {
            // The next append writes over the same bytes, and opening the journal cuts a torn end.
        }
    }

    internal static long? FirstOf(string path) =>
        long.TryParse(Path.GetFileNameWithoutExtension(path), NumberStyles.None, CultureInfo.InvariantCulture, out var first) ? first : null;
}
