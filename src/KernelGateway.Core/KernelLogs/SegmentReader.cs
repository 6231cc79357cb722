using KernelGateway.Core.Files;
using Microsoft.Win32.SafeHandles;

namespace KernelGateway.Core.KernelLogs;

/// <summary>One open segment and the buffer through which it is read.</summary>
internal sealed class SegmentReader : IDisposable
{
    public const int BufferSize = 256 * 1024;

    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(BufferSize);
    private SafeFileHandle? _file;
    private long _fileOffset;
    private int _start;
    private int _end;

    public bool IsOpen => _file is not null;

    /// <summary>True when a later segment was seen, so that whoever wrote this one does so no more.</summary>
    public bool IsFinal { get; set; }

    /// <summary>The bytes read and not consumed.</summary>
    public ReadOnlySpan<byte> Available => _buffer.AsSpan(_start, _end - _start);

    /// <summary>Opens the segment of a position when it is what it should be.</summary>
    /// <param name="folder">Where it is.</param>
    /// <param name="position">The segment's number, and where to begin in it.</param>
    /// <param name="owner">The uid it must belong to.</param>
    /// <param name="refusal">Why it was refused, when the answer is neither None nor NotFound.</param>
    /// <exception cref="IOException">The gateway itself is in trouble.</exception>
    public PosixError TryOpen(ConfinedDirectory folder, KernelLogPosition position, uint owner, out string? refusal)
    {
        refusal = null;
        PosixError error = folder.TryOpenFile(SegmentName.Of(position.Segment), out SafeFileHandle? file);
        ThrowIfOurs(error);
        if (file is null)
        {
            refusal = error == PosixError.SymbolicLink ? "it is a symbolic link" : $"it cannot be opened ({error})";
            return error;
        }

        FileFacts facts = ConfinedDirectory.Describe(file);
        refusal = !facts.IsRegular ? "it is not an ordinary file"
            : facts.OwnerUid != owner ? $"it belongs to uid {facts.OwnerUid} instead of {owner}"
            : facts.Links > 1 ? "it has several names"
            : null;
        if (refusal is not null)
        {
            file.Dispose();
            return PosixError.AccessDenied;
        }

        _file = file;
        IsFinal = false;
        Rewind(position.Offset);
        return PosixError.None;
    }

    /// <summary>Forgets what was read ahead and goes on at an offset.</summary>
    public void Rewind(long offset)
    {
        _fileOffset = offset;
        _start = _end = 0;
    }

    public void Consume(int count) => _start += count;

    /// <summary>Makes some bytes available when the file has them.</summary>
    /// <param name="count">How many; not more than <see cref="BufferSize"/>.</param>
    public bool Fill(int count)
    {
        if (_end - _start >= count)
        {
            return true;
        }

        if (BufferSize - _start < count)
        {
            _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            _end -= _start;
            _start = 0;
        }

        while (_end - _start < count)
        {
            int read = RandomAccess.Read(_file!, _buffer.AsSpan(_end), _fileOffset);
            if (read == 0)
            {
                return false;
            }

            _end += read;
            _fileOffset += read;
        }

        return true;
    }

    /// <summary>Moves bytes, more than the buffer can hold, into an array. The caller has seen that the file is long enough.</summary>
    /// <returns>False when the file was cut off meanwhile.</returns>
    public bool Take(Span<byte> target)
    {
        int buffered = Math.Min(_end - _start, target.Length);
        _buffer.AsSpan(_start, buffered).CopyTo(target);
        _start += buffered;
        target = target[buffered..];
        while (target.Length > 0)
        {
            int read = RandomAccess.Read(_file!, target, _fileOffset);
            if (read == 0)
            {
                return false;
            }

            _fileOffset += read;
            target = target[read..];
        }

        return true;
    }

    /// <summary>The file's length now, bytes.</summary>
    public long Length() => ConfinedDirectory.Describe(_file!).Size;

    public void Close()
    {
        _file?.Dispose();
        _file = null;
        _start = _end = 0;
    }

    public void Dispose() => Close();

    /// <summary>Errors that are no fault of the log: the call can be repeated.</summary>
    public static void ThrowIfOurs(PosixError error)
    {
        if (error is PosixError.InputOutput or PosixError.OutOfMemory or PosixError.SystemFileTableFull
            or PosixError.TooManyOpenFiles or PosixError.NotImplemented or PosixError.NotPermitted or PosixError.TryAgain)
        {
            throw new IOException($"The kernel's log cannot be opened now ({error}).");
        }
    }
}
