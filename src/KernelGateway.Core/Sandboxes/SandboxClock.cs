namespace KernelGateway.Core.Sandboxes;

/// <summary>
/// How long a sandbox has lived, not been used, and been over. Counted on the monotonic clock, so that setting the wall clock
/// ends nobody's sandbox; what had passed before the gateway was restarted is all that is taken from the wall clock.
/// Everything but <see cref="Lived"/> is read and changed under the sandbox's gate, which it shares.
/// </summary>
internal sealed class SandboxClock
{
    private readonly Lock _gate;
    private readonly TimeProvider _time;
    private readonly long _created;
    private int _readers;
    private long _lastUse;
    private DateTimeOffset _lastUseAt;
    private long _ended;

    public SandboxClock(Lock gate, SandboxRecord record, DateTimeOffset? lastUseAt, TimeProvider time)
    {
        _gate = gate;
        _time = time;
        var now = time.GetUtcNow();
        _lastUseAt = lastUseAt ?? now;
        _lastUse = TimestampOf(now - _lastUseAt);
        _created = TimestampOf(now - record.CreatedAt);
        _ended = TimestampOf(now - (record.EndedAt ?? now));
    }

    public TimeSpan Lived => _time.GetElapsedTime(_created);

    /// <summary>Since it was used last.</summary>
    public TimeSpan Unused
    {
        get
        {
            lock (_gate)
            {
                return _time.GetElapsedTime(_lastUse);
            }
        }
    }

    /// <summary>When it was used last (UTC).</summary>
    public DateTimeOffset LastUseAt
    {
        get
        {
            lock (_gate)
            {
                return _lastUseAt;
            }
        }
    }

    /// <summary>Whether somebody reads or holds it.</summary>
    public bool IsHeld
    {
        get
        {
            lock (_gate)
            {
                return _readers > 0;
            }
        }
    }

    /// <summary>Since its end.</summary>
    public TimeSpan Over
    {
        get
        {
            lock (_gate)
            {
                return _time.GetElapsedTime(_ended);
            }
        }
    }

    /// <summary>It is used now.</summary>
    public void Use()
    {
        lock (_gate)
        {
            _lastUse = _time.GetTimestamp();
            _lastUseAt = _time.GetUtcNow();
        }
    }

    /// <summary>It need not end for want of use now, though nobody has used it.</summary>
    public void Excuse()
    {
        lock (_gate)
        {
            _lastUse = _time.GetTimestamp();
        }
    }

    /// <summary>It has ended now.</summary>
    public void End()
    {
        lock (_gate)
        {
            _ended = _time.GetTimestamp();
        }
    }

    /// <summary>It is in use until the lease is disposed.</summary>
    public IDisposable Lease()
    {
        lock (_gate)
        {
            _readers++;
        }

        return new LeaseEnd(this);
    }

    private long TimestampOf(TimeSpan ago) =>
        _time.GetTimestamp() - (long)(Math.Max(0, ago.TotalSeconds) * _time.TimestampFrequency);

    private sealed class LeaseEnd(SandboxClock clock) : IDisposable
    {
        private int _ended;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _ended, 1) == 0)
            {
                clock.Use();
                lock (clock._gate)
                {
                    clock._readers--;
                }
            }
        }
    }
}
