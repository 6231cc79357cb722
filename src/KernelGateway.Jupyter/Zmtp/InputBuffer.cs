namespace KernelGateway.Jupyter.Zmtp;

/// <summary>
/// Bytes read and not yet decoded. Small while little comes, because every sandbox has several mostly idle
/// connections; large in a flood, because each read is a system call.
/// </summary>
internal sealed class InputBuffer
{
    private const int Smallest = 4 * 1024;
    private const int Largest = 128 * 1024;
    private const int SmallReadsBeforeShrinking = 64;

    private byte[] _bytes = new byte[Smallest];
    private int _start;
    private int _end;
    private int _smallReads;
    private bool _wasFilled;

    public ReadOnlySpan<byte> Unread => _bytes.AsSpan(_start, _end - _start);

    public int Count => _end - _start;

    public void Consume(int count)
    {
        _start += count;
        if (_start == _end)
        {
            _start = _end = 0;
        }
    }

    /// <summary>Where the next read goes. Invalidates <see cref="Unread"/>.</summary>
    /// <param name="needed">Bytes that must be there together before decoding can go on.</param>
    public Memory<byte> Free(int needed = FrameHeader.MaxSize)
    {
        var size = _bytes.Length;
        if (_wasFilled && size < Largest)
        {
            size *= 2;
        }
        else if (_smallReads >= SmallReadsBeforeShrinking)
        {
            size = Smallest;
        }

        size = Math.Max(size, Math.Max(needed, Count + FrameHeader.MaxSize));
        if (size != _bytes.Length)
        {
            MoveTo(GC.AllocateUninitializedArray<byte>(size));
        }
        else if (_start > 0 && (_start + needed > size || size - _end < size / 4))
        {
            MoveTo(_bytes);
        }

        return _bytes.AsMemory(_end);
    }

    public void Filled(int count)
    {
        _wasFilled = _end + count == _bytes.Length;
        _smallReads = count <= Smallest / 2 && _bytes.Length > Smallest ? _smallReads + 1 : 0;
        _end += count;
    }

    private void MoveTo(byte[] target)
    {
        var count = Count;
        Unread.CopyTo(target);
        _bytes = target;
        _start = 0;
        _end = count;
        _smallReads = 0;
        _wasFilled = false;
    }
}
