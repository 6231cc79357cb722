using System.Threading.Tasks.Sources;

namespace KernelGateway.Jupyter.Zmtp;

/// <summary>
/// Between the read loop and the one receiver. A waiting receiver gets its message at once and goes on in the read
/// loop's thread, which saves a thread hop per message; above the high water the read loop waits.
/// </summary>
internal sealed class ReceiveQueue(long highWater) : IValueTaskSource<ZmtpMessage>
{
    private readonly Lock _gate = new();
    private readonly Queue<ZmtpMessage> _messages = new();
    private ManualResetValueTaskSourceCore<ZmtpMessage> _receiver;
    private CancellationTokenRegistration _registration;
    private bool _receiverWaits;
    private long _bytes;
    private ZmtpException? _closed;
    private TaskCompletionSource? _room;

    /// <summary>Adds a message. False when the queue is above its high water: then <see cref="WaitForRoomAsync"/>.</summary>
    public bool Add(ZmtpMessage message)
    {
        CancellationTokenRegistration registration;
        lock (_gate)
        {
            if (_closed is not null)
            {
                return true;
            }

            if (!_receiverWaits)
            {
                _messages.Enqueue(message);
                _bytes += message.Cost;
                return _bytes <= highWater;
            }

            _receiverWaits = false;
            registration = _registration;
        }

        // Waits for a cancellation that is running, so that it cannot hit the next wait.
        registration.Dispose();
        _receiver.SetResult(message);
        return true;
    }

    /// <summary>Completes when the receiver has taken the queue down to half its high water.</summary>
    public Task WaitForRoomAsync(CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (_closed is not null || _bytes <= highWater / 2)
            {
                return Task.CompletedTask;
            }

            // Not inline: the receiver must not find itself reading the socket.
            _room = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _room.Task.WaitAsync(cancellationToken);
        }
    }

    public ValueTask<ZmtpMessage> TakeAsync(CancellationToken cancellationToken)
    {
        if (TryTake(out var message))
        {
            return new ValueTask<ZmtpMessage>(message);
        }

        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<ZmtpMessage>(cancellationToken);
        }

        // Registered before the wait is visible: otherwise a message could complete the wait first and leave a
        // registration behind that cancels a later one.
        var registration = cancellationToken.UnsafeRegister(static (queue, token) => ((ReceiveQueue)queue!).Cancel(token), this);
        lock (_gate)
        {
            if (_messages.Count == 0 && _closed is null && !cancellationToken.IsCancellationRequested)
            {
                _receiver.Reset();
                _registration = registration;
                _receiverWaits = true;
                return new ValueTask<ZmtpMessage>(this, _receiver.Version);
            }
        }

        registration.Dispose();
        return TryTake(out message)
            ? new ValueTask<ZmtpMessage>(message)
            : ValueTask.FromCanceled<ZmtpMessage>(cancellationToken);
    }

    /// <summary>No more messages will come; those already here can still be taken unless they are to be dropped.</summary>
    public void Close(ZmtpException reason, bool dropMessages)
    {
        CancellationTokenRegistration registration = default;
        bool fail;
        lock (_gate)
        {
            _closed ??= reason;
            if (dropMessages)
            {
                _messages.Clear();
                _bytes = 0;
            }

            fail = _receiverWaits;
            if (fail)
            {
                _receiverWaits = false;
                registration = _registration;
            }

            _room?.TrySetResult();
        }

        if (fail)
        {
            registration.Dispose();
            _receiver.SetException(reason.Again());
        }
    }

    ZmtpMessage IValueTaskSource<ZmtpMessage>.GetResult(short token) => _receiver.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource<ZmtpMessage>.GetStatus(short token) => _receiver.GetStatus(token);

    void IValueTaskSource<ZmtpMessage>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _receiver.OnCompleted(continuation, state, token, flags);

    private bool TryTake([System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out ZmtpMessage? message)
    {
        lock (_gate)
        {
            if (_receiverWaits)
            {
                throw new InvalidOperationException("Another receive is still waiting; a socket has one receiver.");
            }

            if (_messages.TryDequeue(out message))
            {
                _bytes -= message.Cost;
                if (_room is { } room && _bytes <= highWater / 2)
                {
                    _room = null;
                    room.TrySetResult();
                }

                return true;
            }

            return _closed is null ? false : throw _closed.Again();
        }
    }

    private void Cancel(CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (!_receiverWaits)
            {
                return;
            }

            _receiverWaits = false;
        }

        _receiver.SetException(new OperationCanceledException(cancellationToken));
    }
}
