namespace KernelGateway.Core.Egress;

/// <summary>Reads heads and lines from a stream without taking more into memory than allowed, and gives the rest as it comes.</summary>
internal sealed class BufferedInput(Stream stream, int mostHead)
{
    private const int FirstSize = 4096;

    private byte[] _buffer = new byte[Math.Min(FirstSize, mostHead)];
    private int _start;
    private int _end;

    /// <summary>The next byte, left where it is; null at the end.</summary>
    internal async ValueTask<byte?> PeekAsync(CancellationToken cancellationToken) =>
        _start < _end || await FillAsync(cancellationToken) ? _buffer[_start] : null;

    /// <summary>Exactly so many bytes.</summary>
    /// <exception cref="EndOfStreamException">There are fewer.</exception>
    internal async ValueTask<byte[]> ExactlyAsync(int count, CancellationToken cancellationToken)
    {
        while (_end - _start < count)
        {
            await FillOrThrowAsync(cancellationToken);
        }

        var bytes = _buffer.AsSpan(_start, count).ToArray();
        _start += count;
        return bytes;
    }

    /// <summary>Everything up to and with the end mark.</summary>
    /// <exception cref="EgressRefusedException">It is longer than allowed.</exception>
    /// <exception cref="EndOfStreamException">The stream ends before.</exception>
    internal async ValueTask<byte[]> UntilAsync(ReadOnlyMemory<byte> mark, int most, CancellationToken cancellationToken)
    {
        var seen = 0;
        while (true)
        {
            var from = Math.Max(0, seen - mark.Length + 1);
            var at = _buffer.AsSpan(_start + from, _end - _start - from).IndexOf(mark.Span);
            if (at >= 0)
            {
                var length = from + at + mark.Length;
                return length <= most ? await ExactlyAsync(length, cancellationToken) : throw TooLong(most);
            }

            seen = _end - _start;
            if (seen >= most)
            {
                throw TooLong(most);
            }

            await FillOrThrowAsync(cancellationToken);
        }
    }

    /// <summary>What is there, or comes next; 0 at the end.</summary>
    internal ValueTask<int> ReadAsync(Memory<byte> target, CancellationToken cancellationToken)
    {
        if (_start == _end)
        {
            return stream.ReadAsync(target, cancellationToken);
        }

        var count = Math.Min(target.Length, _end - _start);
        _buffer.AsSpan(_start, count).CopyTo(target.Span);
        _start += count;
        return ValueTask.FromResult(count);
    }

    private static EgressRefusedException TooLong(int most) => EgressRefusedException.Malformed($"The head of the message has more than {most} bytes.");

    private async ValueTask FillOrThrowAsync(CancellationToken cancellationToken)
    {
        if (!await FillAsync(cancellationToken))
        {
            throw new EndOfStreamException();
        }
    }

    private async ValueTask<bool> FillAsync(CancellationToken cancellationToken)
    {
        if (_start > 0)
        {
            _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            (_start, _end) = (0, _end - _start);
        }

        if (_end == _buffer.Length)
        {
            Array.Resize(ref _buffer, Math.Min(_buffer.Length * 2, Math.Max(mostHead, _buffer.Length + FirstSize)));
        }

        var read = await stream.ReadAsync(_buffer.AsMemory(_end), cancellationToken);
        _end += read;
        return read > 0;
    }
}
