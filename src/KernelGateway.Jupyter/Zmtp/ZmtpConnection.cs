using System.Diagnostics.CodeAnalysis;
using System.Net.Sockets;

namespace KernelGateway.Jupyter.Zmtp;

/// <summary>One life of a connection, from connect to its first break reason. Never used again after that.</summary>
[SuppressMessage("Design", "CA1001:Types that own disposable fields should be disposable", Justification = "The token source has no timer and no wait handle; disposing it would race with Abort.")]
internal sealed class ZmtpConnection
{
    private const int SilentIntervals = 3;

    private readonly Socket _socket;
    private readonly ZmtpSocketType _type;
    private readonly ZmtpOptions _options;
    private readonly MessageDecoder _decoder;
    private readonly CancellationTokenSource _ended = new();
    private readonly bool _knows31;

    // The first reason wins: what follows a break is noise.
    private ZmtpException? _reason;

    // Timestamp of the last read; long.MaxValue while the queue is full and nothing is read on purpose.
    private long _lastRead;

    // The PONG to send next. Only the newest: a peer that floods us with PING must not fill our memory.
    private byte[]? _pong;
    private int _pongRunning;

    private ZmtpConnection(Socket socket, InputBuffer input, ZmtpSocketType type, ZmtpOptions options, int number, bool knows31)
    {
        _socket = socket;
        _type = type;
        _options = options;
        _knows31 = knows31;
        Number = number;
        Started = options.TimeProvider.GetTimestamp();
        _lastRead = Started;
        _decoder = new MessageDecoder(input, options, number);
        Sender = new ZmtpSender(socket, options, Abort, () => Volatile.Read(ref _reason));
    }

    public ZmtpSender Sender { get; }

    public int Number { get; }

    /// <summary>Timestamp of the end of the handshake.</summary>
    public long Started { get; }

    /// <summary>Connects and shakes hands, within <see cref="ZmtpOptions.HandshakeTimeout"/>.</summary>
    /// <exception cref="ZmtpException">Why not.</exception>
    public static async Task<ZmtpConnection> OpenAsync(
        ZmtpEndpoint endpoint, ZmtpSocketType type, ZmtpOptions options, int number, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(options.HandshakeTimeout, options.TimeProvider);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        Socket? socket = null;
        try
        {
            socket = await ZmtpConnector.ConnectAsync(endpoint, either.Token);
            var input = new InputBuffer();
            var knows31 = await ZmtpHandshake.RunAsync(socket, input, type, options, either.Token);
            return new ZmtpConnection(socket, input, type, options, number, knows31);
        }
        catch (Exception e)
        {
            socket?.Dispose();
            cancellationToken.ThrowIfCancellationRequested();
            throw e switch
            {
                OperationCanceledException => new ZmtpException(
                    ZmtpErrorKind.HandshakeTimeout, $"The peer at {endpoint} did not shake hands within {options.HandshakeTimeout.TotalSeconds:0.###} s."),
                SocketException => new ZmtpException(
                    ZmtpErrorKind.ConnectionLost, $"The connection to {endpoint} was lost during the handshake: {e.Message}", e),
                _ => e,
            };
        }
    }

    /// <summary>Reads until the connection ends; gives the first reason.</summary>
    public async Task<ZmtpException> RunAsync(ReceiveQueue queue)
    {
        var heartbeat = _options.HeartbeatInterval is { } interval && _knows31 ? BeatAsync(interval) : Task.CompletedTask;
        try
        {
            await ReadAsync(queue);
        }
        catch (ZmtpException e)
        {
            Abort(e);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            Abort(new ZmtpException(ZmtpErrorKind.ConnectionLost, $"The connection was lost: {e.Message}", e));
        }
        catch (OperationCanceledException) when (_reason is not null)
        {
            // Abort woke the wait for room in the queue.
        }

        await heartbeat;
        return _reason!;
    }

    /// <summary>Ends the connection; what waits on it fails.</summary>
    public void Abort(ZmtpException reason)
    {
        if (Interlocked.CompareExchange(ref _reason, reason, null) is null)
        {
            _socket.Dispose();
            _ended.Cancel();
        }
    }

    /// <summary>Sends a subscription in the form that the peer's version wants.</summary>
    public ValueTask SubscribeAsync(byte[] prefix) =>
        Sender.SendEncodedAsync(ZmtpCommands.MakeSubscription(prefix, _knows31), CancellationToken.None);

    private async Task ReadAsync(ReceiveQueue queue)
    {
        while (true)
        {
            var count = await _socket.ReceiveAsync(_decoder.NextTarget(), SocketFlags.None);
            if (count == 0)
            {
                throw new ZmtpException(ZmtpErrorKind.ConnectionLost, "The peer closed the connection.");
            }

            _decoder.Filled(count);
            StampRead();
            DecodedKind kind;
            while ((kind = _decoder.TryRead(out var message)) != DecodedKind.Nothing)
            {
                if (kind == DecodedKind.Command)
                {
                    OnCommand(_decoder.Command.Span);
                }
                else if (!queue.Add(_type == ZmtpSocketType.Req ? TakeDelimiter(message!) : message!))
                {
                    Volatile.Write(ref _lastRead, long.MaxValue);
                    await queue.WaitForRoomAsync(_ended.Token);
                    StampRead();
                }
            }
        }
    }

    private void StampRead()
    {
        if (_options.HeartbeatInterval is not null)
        {
            Volatile.Write(ref _lastRead, _options.TimeProvider.GetTimestamp());
        }
    }

    private static ZmtpMessage TakeDelimiter(ZmtpMessage message)
    {
        if (message.Frames.Count > 0 && message.Frames[0].IsEmpty)
        {
            return message.WithoutDelimiter();
        }

        return message.Oversize ? message : throw ZmtpException.Violation("A reply does not begin with an empty frame.");
    }

    private void OnCommand(ReadOnlySpan<byte> command)
    {
        // Commands that we do not know are ignored (RFC 37 section "Commands"); a PONG has done its work by arriving.
        if (!ZmtpCommands.ReadName(command, out var data).SequenceEqual(ZmtpCommands.Ping))
        {
            return;
        }

        Volatile.Write(ref _pong, ZmtpCommands.MakePong(data));
        if (Interlocked.Exchange(ref _pongRunning, 1) == 0)
        {
            // Not awaited: a peer that waits for us to read before it reads must not stop the reading.
            _ = AnswerPingsAsync();
        }
    }

    private async Task AnswerPingsAsync()
    {
        try
        {
            do
            {
                while (Interlocked.Exchange(ref _pong, null) is { } pong)
                {
                    await Sender.SendEncodedAsync(pong, _ended.Token);
                }

                Volatile.Write(ref _pongRunning, 0);
            }
            while (Volatile.Read(ref _pong) is not null && Interlocked.Exchange(ref _pongRunning, 1) == 0);
        }
        catch (Exception e) when (e is ZmtpException or OperationCanceledException)
        {
            // The turn did not come in time or the connection ended; in both cases a PONG is no longer wanted.
            Volatile.Write(ref _pongRunning, 0);
        }
    }

    private async Task BeatAsync(TimeSpan interval)
    {
        var time = _options.TimeProvider;
        try
        {
            using var timer = new PeriodicTimer(interval, time);
            while (await timer.WaitForNextTickAsync(_ended.Token))
            {
                var last = Volatile.Read(ref _lastRead);
                var silence = last == long.MaxValue ? TimeSpan.Zero : time.GetElapsedTime(last);
                if (silence >= interval * SilentIntervals)
                {
                    Abort(new ZmtpException(ZmtpErrorKind.HeartbeatTimeout, $"The peer was silent for {silence.TotalSeconds:0.###} s."));
                }
                else if (silence >= interval)
                {
                    await Sender.SendEncodedAsync(ZmtpCommands.MakePing(), _ended.Token);
                }
            }
        }
        catch (Exception e) when (e is ZmtpException or OperationCanceledException)
        {
            // A send that failed has ended the connection with its own reason.
        }
    }
}
