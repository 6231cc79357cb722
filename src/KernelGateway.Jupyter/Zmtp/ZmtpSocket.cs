namespace KernelGateway.Jupyter.Zmtp;

/// <summary>
/// A ZMTP 3.x socket that connects to one peer and, when that breaks, connects again with the same identity and
/// subscriptions. Messages in flight at a break are lost or reported as failed, never sent twice.
/// </summary>
/// <remarks>
/// Sources: RFC 23/ZMTP 3.0 and RFC 37/ZMTP 3.1. Failures of every call are <see cref="ZmtpException"/>. After
/// <see cref="Closed"/> every call fails with that reason.
/// </remarks>
public sealed class ZmtpSocket : IAsyncDisposable
{
    // Bounded so that a subscription fits a command of the peers.
    private const int MaxPrefixBytes = 1024;

    private readonly ZmtpEndpoint _endpoint;
    private readonly ZmtpSocketType _type;
    private readonly ZmtpOptions _options;
    private readonly ReceiveQueue _queue;
    private readonly ZmtpDialler _dialler;
    private readonly ConnectionSlot _slot = new();
    private readonly Subscriptions _subscriptions;
    private readonly CancellationTokenSource _lifetime = new();
    private readonly TaskCompletionSource<ZmtpException> _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task _running = Task.CompletedTask;

    private ZmtpSocket(ZmtpEndpoint endpoint, ZmtpSocketType type, ZmtpOptions options)
    {
        _endpoint = endpoint;
        _type = type;
        _options = options;
        _queue = new ReceiveQueue(options.ReceiveHighWater);
        _dialler = new ZmtpDialler(endpoint, type, options);
        _subscriptions = new Subscriptions(_slot);
    }

    /// <summary>Number of connections made so far. More than one: there was a time without.</summary>
    public int ConnectionCount => _slot.Count;

    /// <summary>Where it stands now.</summary>
    public ZmtpState State => _slot.State;

    /// <summary>Completes (never fails) with the first reason when the socket has ended for good.</summary>
    public Task<ZmtpException> Closed => _closed.Task;

    /// <summary>
    /// Connects and shakes hands. With <see cref="ZmtpOptions.Reconnect"/> transient failures (nobody listens yet) are
    /// tried again until <see cref="ZmtpOptions.ConnectTimeout"/>.
    /// </summary>
    /// <exception cref="ZmtpException">The failure; the last one when the time is over.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static async Task<ZmtpSocket> ConnectAsync(
        ZmtpEndpoint endpoint, ZmtpSocketType type, ZmtpOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(endpoint);
        options ??= ZmtpOptions.Default;
        options.Validate();
        endpoint.Validate();
        var socket = new ZmtpSocket(endpoint, type, options);
        try
        {
            var connection = await socket._dialler.ConnectFirstAsync(cancellationToken);
            socket._running = socket.RunAsync(connection);
            return socket;
        }
        catch
        {
            socket._lifetime.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Hands one message to the operating system; it is never mixed with one of another caller. Done does not mean
    /// that the peer has read it. While there is no connection it waits for one.
    /// </summary>
    /// <param name="frames">At least one. Must not be changed before the task is done.</param>
    /// <param name="cancellationToken">Ends the wait for the connection and for the turn. Once bytes flow, only <see cref="ZmtpOptions.SendTimeout"/> ends it, because half a message cannot be taken back.</param>
    /// <exception cref="ZmtpException"><see cref="ZmtpErrorKind.SendTimeout"/>, <see cref="ZmtpErrorKind.ConnectionLost"/> (it may or may not have arrived) or the reason of <see cref="Closed"/>.</exception>
    public ValueTask SendAsync(IReadOnlyList<ReadOnlyMemory<byte>> frames, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(frames);
        if (frames.Count == 0)
        {
            throw new ArgumentException("A message has at least one frame.", nameof(frames));
        }

        if (_type == ZmtpSocketType.Sub)
        {
            throw new InvalidOperationException("A SUB socket sends nothing but subscriptions.");
        }

        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled(cancellationToken);
        }

        var connection = _slot.Current;
        return connection is null
            ? SendLaterAsync(frames, cancellationToken)
            : connection.Sender.SendAsync(frames, _type == ZmtpSocketType.Req, cancellationToken);
    }

    /// <summary>
    /// The next message. One receiver at a time; await the result once. The code after the await may run on the thread
    /// that reads the socket: long work belongs elsewhere. A reconnect does not end the wait, see
    /// <see cref="ZmtpMessage.ConnectionNumber"/>.
    /// </summary>
    /// <exception cref="ZmtpException">The reason of <see cref="Closed"/>, after what had arrived before was taken.</exception>
    public ValueTask<ZmtpMessage> ReceiveAsync(CancellationToken cancellationToken = default) => _queue.TakeAsync(cancellationToken);

    /// <summary>
    /// Subscribes to the messages whose first frame begins with <paramref name="prefix"/> (empty: all), now and after
    /// every reconnect. Done when the request is on its way; the peer gives no answer.
    /// </summary>
    public async Task SubscribeAsync(ReadOnlyMemory<byte> prefix, CancellationToken cancellationToken = default)
    {
        if (_type != ZmtpSocketType.Sub)
        {
            throw new InvalidOperationException("Only a SUB socket subscribes.");
        }

        ArgumentOutOfRangeException.ThrowIfGreaterThan(prefix.Length, MaxPrefixBytes, nameof(prefix));
        try
        {
            await _subscriptions.AddAsync(prefix, cancellationToken);
        }
        catch (ZmtpException e) when (e.IsTransient && _dialler.TriesAgain)
        {
            // The next connection sends it.
        }
    }

    /// <summary>Closes the connection. What was received and not taken is dropped; waiting calls fail with <see cref="ZmtpErrorKind.Closed"/>.</summary>
    public async ValueTask DisposeAsync()
    {
        End(new ZmtpException(ZmtpErrorKind.Closed, "The socket was closed by its owner."));
        await _running;
    }

    /// <summary>The life of the socket; the only place that changes its connection.</summary>
    private async Task RunAsync(ZmtpConnection connection)
    {
        try
        {
            while (true)
            {
                await PublishAsync(connection);
                var reason = await connection.RunAsync(_queue);
                _slot.Empty();
                if (!_dialler.TriesAgain || !reason.IsTransient)
                {
                    End(reason);
                }

                // Not the token: it is cancelled a moment after the reason is set.
                if (State == ZmtpState.Closed)
                {
                    break;
                }

                _options.StateChanged?.Invoke(new ZmtpStateChange(ZmtpState.Connecting, _slot.Count, reason));
                connection = await _dialler.ConnectAgainAsync(connection, _lifetime.Token);
            }
        }
        catch (OperationCanceledException) when (_slot.Reason is not null)
        {
            // Ended by its owner or by a failure that reconnecting does not cure.
        }
        catch (ZmtpException e)
        {
            End(e);
        }
        catch (Exception e)
        {
            // Only the owner's callback can bring this; the socket must not look alive after it.
            End(new ZmtpException(ZmtpErrorKind.Closed, $"The socket ended by an unexpected failure: {e.Message}", e));
        }

        connection.Abort(_slot.Reason!);
        Finish();
    }

    private async Task PublishAsync(ZmtpConnection connection)
    {
        await _subscriptions.HandToAsync(connection, _lifetime.Token);
        if (_slot.Reason is { } reason)
        {
            connection.Abort(reason);
        }

        _options.StateChanged?.Invoke(new ZmtpStateChange(ZmtpState.Connected, connection.Number, null));
    }

    private void End(ZmtpException reason)
    {
        if (_slot.End(reason, out var connection))
        {
            connection?.Abort(reason);
            _lifetime.Cancel();
        }
    }

    private void Finish()
    {
        var reason = _slot.Reason!;
        _queue.Close(reason, dropMessages: reason.Kind == ZmtpErrorKind.Closed);
        _closed.TrySetResult(reason);
        _options.StateChanged?.Invoke(new ZmtpStateChange(ZmtpState.Closed, _slot.Count, reason));
    }

    private async ValueTask SendLaterAsync(IReadOnlyList<ReadOnlyMemory<byte>> frames, CancellationToken cancellationToken)
    {
        while (true)
        {
            var connection = _slot.Look(out var wait);
            if (connection is not null)
            {
                await connection.Sender.SendAsync(frames, _type == ZmtpSocketType.Req, cancellationToken);
                return;
            }

            try
            {
                await wait.WaitAsync(_options.SendTimeout, _options.TimeProvider, cancellationToken);
            }
            catch (TimeoutException e)
            {
                throw new ZmtpException(
                    ZmtpErrorKind.SendTimeout, $"There was no connection to {_endpoint} within {_options.SendTimeout.TotalSeconds:0.###} s; the message was not sent.", e);
            }
        }
    }
}
