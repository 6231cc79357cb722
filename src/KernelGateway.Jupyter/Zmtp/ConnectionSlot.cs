namespace KernelGateway.Jupyter.Zmtp;

/// <summary>The place for the connection that a socket has now, until its first reason to end for good. Calls may come from any thread.</summary>
internal sealed class ConnectionSlot
{
    // Guards the writing of the four below.
    private readonly Lock _gate = new();
    private ZmtpConnection? _current;
    private TaskCompletionSource _filled = NewSignal();
    private ZmtpException? _reason;
    private int _count;

    /// <summary>The connection to use now; null while there is none.</summary>
    public ZmtpConnection? Current => Volatile.Read(ref _current);

    /// <summary>Number of connections it has held.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>Why it has ended; null before.</summary>
    public ZmtpException? Reason => _reason;

    public ZmtpState State
    {
        get
        {
            lock (_gate)
            {
                return _reason is not null ? ZmtpState.Closed : _current is not null ? ZmtpState.Connected : ZmtpState.Connecting;
            }
        }
    }

    public void Fill(ZmtpConnection connection)
    {
        lock (_gate)
        {
            Volatile.Write(ref _count, connection.Number);
            _current = connection;
            _filled.TrySetResult();
        }
    }

    public void Empty()
    {
        lock (_gate)
        {
            _current = null;
            if (_reason is null)
            {
                _filled = NewSignal();
            }
        }
    }

    /// <summary>Ends it with the first reason, which all who wait get.</summary>
    /// <param name="reason">Why.</param>
    /// <param name="connection">The one it held; it is the caller's to break.</param>
    /// <returns>False when it had ended before.</returns>
    public bool End(ZmtpException reason, out ZmtpConnection? connection)
    {
        lock (_gate)
        {
            connection = _current;
            if (_reason is not null)
            {
                return false;
            }

            _reason = reason;
            _filled.TrySetResult();
            return true;
        }
    }

    /// <summary>The connection, or null and what completes when it is worth looking again.</summary>
    /// <exception cref="ZmtpException">The reason of the end.</exception>
    public ZmtpConnection? Look(out Task wait)
    {
        lock (_gate)
        {
            if (_reason is { } reason)
            {
                throw reason.Again();
            }

            wait = _filled.Task;
            return _current;
        }
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
