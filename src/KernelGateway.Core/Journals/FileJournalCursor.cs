using System.Diagnostics.CodeAnalysis;
using Microsoft.Win32.SafeHandles;

namespace KernelGateway.Core.Journals;

/// <summary>Reads segment files in order through one buffer; memory is the buffer and the entry at hand.</summary>
internal sealed class FileJournalCursor(FileJournalStore store, long next) : IJournalCursor
{
    private const int ReadAhead = 64 << 10;

    private JournalSegment? _segment;
    private SafeFileHandle? _handle;
    private long _offset;
    private byte[] _buffer = [];
    private long _bufferStart;
    private int _bufferLength;
    private JournalEntry? _pending;
    private string? _damage;

    public bool TryRead([NotNullWhen(true)] out JournalEntry entry)
    {
        if (_pending is not null)
        {
            entry = _pending;
            _pending = null;
            return true;
        }

        while (_segment is not null || Enter())
        {
            while (TryReadRecord(out var read))
            {
                if (read.Sequence < next)
                {
                    continue;
                }

                if (read.Sequence > next)
                {
                    entry = Missing(read);
                    _pending = read;
                    next = read.Sequence + 1;
                    return true;
                }

                next++;
                entry = read;
                return true;
            }

            if (store.IsLast(_segment!))
            {
                break;
            }

            if (_offset < _segment!.Length)
            {
                continue; // It grew, then a new one began.
            }

            Leave();
        }

        entry = null!;
        return false;
    }

    public void Dispose() => Leave();

    private bool Enter()
    {
        while (store.Find(next) is { } found)
        {
            try
            {
                _handle = File.OpenHandle(found.Path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            }
            catch (FileNotFoundException) when (!ReferenceEquals(store.Find(next), found))
            {
                continue; // Removed by the size limit between the two calls.
            }

            _segment = found;
            _offset = found.OffsetBefore(next);
            _bufferLength = 0;
            return true;
        }

        return false;
    }

    private void Leave()
    {
        _handle?.Dispose();
        _handle = null;
        _segment = null;
    }

    private bool TryReadRecord([NotNullWhen(true)] out JournalEntry? entry)
    {
        entry = null;
        while (true)
        {
            var end = _segment!.Length;
            if (_offset >= end)
            {
                return false;
            }

            if (Fill(JournalRecord.HeaderSize, end)
                && JournalRecord.TryReadHeader(Buffered(), out var length)
                && Fill(JournalRecord.HeaderSize + length, end)
                && JournalRecord.IsIntact(Buffered(), _segment.Nonce, Buffered().Slice(JournalRecord.HeaderSize, length)))
            {
                entry = JournalRecord.Read(Buffered().Slice(JournalRecord.HeaderSize, length).ToArray());
                _offset += JournalRecord.HeaderSize + length;
                return true;
            }

            _damage = $"damaged at _offset {_offset} of {Path.GetFileName(_segment.Path)}";
            var resume = _segment.OffsetBehind(_offset);
            _offset = resume < 0 ? end : resume;
        }
    }

    /// <summary>Makes the buffer hold <paramref name="count"/> bytes from the present offset; false when the file has not that many.</summary>
    private bool Fill(int count, long end)
    {
        if (_offset + count > end)
        {
            return false;
        }

        if (_offset >= _bufferStart && _offset + count <= _bufferStart + _bufferLength)
        {
            return true;
        }

        var wanted = (int)Math.Min(Math.Max(count, ReadAhead), end - _offset);
        if (_buffer.Length < wanted || _buffer.Length > 4 * Math.Max(wanted, ReadAhead))
        {
            _buffer = new byte[Math.Max(wanted, Math.Min(ReadAhead, (int)Math.Min(end - _offset, ReadAhead)))];
        }

        _bufferStart = _offset;
        _bufferLength = 0;
        while (_bufferLength < wanted)
        {
            var read = RandomAccess.Read(_handle!, _buffer.AsSpan(_bufferLength, wanted - _bufferLength), _offset + _bufferLength);
            if (read == 0)
            {
                return false;
            }

            _bufferLength += read;
        }

        return true;
    }

    private ReadOnlySpan<byte> Buffered() => _buffer.AsSpan((int)(_offset - _bufferStart), _bufferLength - (int)(_offset - _bufferStart));

    private JournalEntry Missing(JournalEntry behind)
    {
        var reason = _damage is null ? "removed: the journal reached its limit of size or age" : _damage;
        _damage = null;
        return new JournalEntry
        {
            Sequence = behind.Sequence - 1,
            Time = behind.Time,
            Kind = JournalEntryKind.Truncated,
            Frames = Notes.Frame(new Notes.TruncatedNote(next, reason)),
        };
    }
}
