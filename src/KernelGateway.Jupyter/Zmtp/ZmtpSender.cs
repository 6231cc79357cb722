using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Net.Sockets;

namespace KernelGateway.Jupyter.Zmtp;

/// <summary>
/// The sending side of one connection: whole messages one after the other. A small message is one buffer and one
/// system call. A message that cannot be handed over in time cuts the connection, because half of it may be out.
/// </summary>
[SuppressMessage("Design", "CA1001:Types that own disposable fields should be disposable", Justification = "The semaphore has no wait handle; disposing it would race with those who wait for their turn.")]
internal sealed class ZmtpSender(Socket socket, ZmtpOptions options, Action<ZmtpException> abort, Func<ZmtpException?> broken)
{
    // Up to here frames are copied together; a larger frame is sent from the caller's memory.
    private const int CopyBytes = 64 * 1024;

    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly TimeProvider _time = options.TimeProvider;

    /// <summary>Sends a message; with <paramref name="delimiter"/> an empty frame goes first.</summary>
    public ValueTask SendAsync(IReadOnlyList<ReadOnlyMemory<byte>> frames, bool delimiter, CancellationToken cancellationToken)
    {
        var size = EncodedSize(frames, delimiter);
        return size <= CopyBytes
            ? SendCopyAsync(frames, delimiter, (int)size, cancellationToken)
            : SendInPiecesAsync(frames, delimiter, cancellationToken);
    }

    /// <summary>Sends frames that are encoded already.</summary>
    public ValueTask SendEncodedAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        if (!_turn.Wait(0, CancellationToken.None))
        {
            return SendSlowAsync(bytes, null, cancellationToken);
        }

        return WriteAndReleaseAsync(bytes, null);
    }

    private ValueTask SendCopyAsync(IReadOnlyList<ReadOnlyMemory<byte>> frames, bool delimiter, int size, CancellationToken cancellationToken)
    {
        var rented = ArrayPool<byte>.Shared.Rent(size);
        var written = delimiter ? FrameHeader.Write(rented, 0, more: true) : 0;
        for (var i = 0; i < frames.Count; i++)
        {
            var frame = frames[i].Span;
            written += FrameHeader.Write(rented.AsSpan(written), frame.Length, more: i < frames.Count - 1);
            frame.CopyTo(rented.AsSpan(written));
            written += frame.Length;
        }

        var bytes = rented.AsMemory(0, written);
        return _turn.Wait(0, CancellationToken.None)
            ? WriteAndReleaseAsync(bytes, rented)
            : SendSlowAsync(bytes, rented, cancellationToken);
    }

    /// <summary>Without waiting when the operating system takes it all, which is nearly always.</summary>
    private ValueTask WriteAndReleaseAsync(ReadOnlyMemory<byte> bytes, byte[]? rented)
    {
        var started = _time.GetTimestamp();
        ValueTask<int> sending;
        try
        {
            ThrowIfBroken();
            sending = StartSend(bytes);
        }
        catch (ZmtpException e)
        {
            Release(rented);
            return ValueTask.FromException(e);
        }

        if (!sending.IsCompletedSuccessfully)
        {
            return FinishAsync(sending, bytes, rented, started);
        }

        var sent = sending.Result;
        if (sent < bytes.Length)
        {
            return FinishAsync(ValueTask.FromResult(sent), bytes, rented, started);
        }

        Release(rented);
        return ValueTask.CompletedTask;
    }

    private async ValueTask FinishAsync(ValueTask<int> sending, ReadOnlyMemory<byte> bytes, byte[]? rented, long started)
    {
        try
        {
            using var deadline = CutAfter(started);
            await FinishWriteAsync(sending, bytes);
        }
        finally
        {
            Release(rented);
        }
    }

    private async ValueTask SendSlowAsync(ReadOnlyMemory<byte> bytes, byte[]? rented, CancellationToken cancellationToken)
    {
        try
        {
            var started = await WaitForTurnAsync(cancellationToken);
            try
            {
                ThrowIfBroken();
                using var deadline = CutAfter(started);
                await WriteAsync(bytes);
            }
            finally
            {
                _turn.Release();
            }
        }
        finally
        {
            Return(rented);
        }
    }

    private async ValueTask SendInPiecesAsync(IReadOnlyList<ReadOnlyMemory<byte>> frames, bool delimiter, CancellationToken cancellationToken)
    {
        var started = await WaitForTurnAsync(cancellationToken);
        var buffer = ArrayPool<byte>.Shared.Rent(CopyBytes);
        try
        {
            ThrowIfBroken();
            using var deadline = CutAfter(started);
            var written = delimiter ? FrameHeader.Write(buffer, 0, more: true) : 0;
            for (var i = 0; i < frames.Count; i++)
            {
                var frame = frames[i];
                if (written + FrameHeader.MaxSize > buffer.Length)
                {
                    await WriteAsync(buffer.AsMemory(0, written));
                    written = 0;
                }

                written += FrameHeader.Write(buffer.AsSpan(written), frame.Length, more: i < frames.Count - 1);
                if (frame.Length <= buffer.Length - written)
                {
                    frame.CopyTo(buffer.AsMemory(written));
                    written += frame.Length;
                    continue;
                }

                await WriteAsync(buffer.AsMemory(0, written));
                await WriteAsync(frame);
                written = 0;
            }

            await WriteAsync(buffer.AsMemory(0, written));
        }
        finally
        {
            Release(buffer);
        }
    }

    /// <summary>Gives the time at which the wait began: one deadline holds for wait and write together.</summary>
    private async ValueTask<long> WaitForTurnAsync(CancellationToken cancellationToken)
    {
        var started = _time.GetTimestamp();
        if (_turn.Wait(0, CancellationToken.None))
        {
            return started;
        }

        using var deadline = new CancellationTokenSource(options.SendTimeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            await _turn.WaitAsync(either.Token);
            return started;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw TimedOut("The messages before it were not taken by the peer, and it was not sent.");
        }
        catch (OperationCanceledException)
        {
            throw new OperationCanceledException(cancellationToken);
        }
    }

    private ITimer CutAfter(long started)
    {
        var left = options.SendTimeout - _time.GetElapsedTime(started);
        return _time.CreateTimer(
            static sender => ((ZmtpSender)sender!).Cut(), this, left > TimeSpan.Zero ? left : TimeSpan.Zero, Timeout.InfiniteTimeSpan);
    }

    private void Cut() => abort(TimedOut("It may be half written, so the connection was cut."));

    private ZmtpException TimedOut(string detail) =>
        new(ZmtpErrorKind.SendTimeout, $"The peer did not take a message within {options.SendTimeout.TotalSeconds:0.###} s. {detail}");

    private async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes)
    {
        if (!bytes.IsEmpty)
        {
            await FinishWriteAsync(StartSend(bytes), bytes);
        }
    }

    private async ValueTask FinishWriteAsync(ValueTask<int> sending, ReadOnlyMemory<byte> bytes)
    {
        try
        {
            while (true)
            {
                bytes = bytes[await sending..];
                if (bytes.IsEmpty)
                {
                    return;
                }

                sending = socket.SendAsync(bytes, SocketFlags.None);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            throw Lost(e);
        }
    }

    private ValueTask<int> StartSend(ReadOnlyMemory<byte> bytes)
    {
        try
        {
            return socket.SendAsync(bytes, SocketFlags.None);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            throw Lost(e);
        }
    }

    private ZmtpException Lost(Exception cause)
    {
        abort(new ZmtpException(ZmtpErrorKind.ConnectionLost, $"The connection was lost while sending: {cause.Message}", cause));
        return broken()!.Again();
    }

    private void ThrowIfBroken()
    {
        if (broken() is { } reason)
        {
            throw reason.Again();
        }
    }

    private static long EncodedSize(IReadOnlyList<ReadOnlyMemory<byte>> frames, bool delimiter)
    {
        var size = delimiter ? 2L : 0L;
        for (var i = 0; i < frames.Count; i++)
        {
            size += FrameHeader.SizeFor(frames[i].Length) + (long)frames[i].Length;
        }

        return size;
    }

    private void Release(byte[]? rented)
    {
        Return(rented);
        _turn.Release();
    }

    private static void Return(byte[]? rented)
    {
        if (rented is not null)
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }
}
