namespace KernelGateway.Jupyter.Zmtp;

/// <summary>Back-off between attempts to connect: doubles from <paramref name="Initial"/> to <paramref name="Max"/>, each with up to half of it taken off at random.</summary>
/// <param name="Initial">Wait before the second attempt.</param>
/// <param name="Max">Longest wait. A connection that lived at least this long starts the next back-off anew.</param>
public sealed record ZmtpReconnect(TimeSpan Initial, TimeSpan Max);

/// <summary>Limits and times of a <see cref="ZmtpSocket"/>.</summary>
public sealed record ZmtpOptions
{
    /// <summary>The defaults.</summary>
    public static ZmtpOptions Default { get; } = new();

    /// <summary>Routing id announced to the peer, at most 255 bytes and not starting with a zero byte; the same on every reconnect. Empty: the peer makes one.</summary>
    public ReadOnlyMemory<byte> Identity { get; init; }

    /// <summary>Largest frame kept, in bytes (default 16 MiB). A larger one becomes a <see cref="ZmtpMessage.Oversize"/> marker.</summary>
    public int MaxFrameBytes { get; init; } = 16 * 1024 * 1024;

    /// <summary>Largest sum of the frames of a message kept, in bytes (default 32 MiB).</summary>
    public long MaxMessageBytes { get; init; } = 32 * 1024 * 1024;

    /// <summary>Most frames kept of a message (default 1024).</summary>
    public int MaxFrames { get; init; } = 1024;

    /// <summary>
    /// Bytes of received and not yet taken messages after which the socket is not read any more, so that the peer
    /// feels it (default 1 MiB). One message may go beyond. Zero: one message is read ahead.
    /// </summary>
    public long ReceiveHighWater { get; init; } = 1024 * 1024;

    /// <summary>Time for one attempt to connect and shake hands (default 10 s).</summary>
    public TimeSpan HandshakeTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Time for the first connection over all attempts (default 30 s).</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Time for handing one message to the operating system, waits for the turn and for a connection included (default 30 s).</summary>
    public TimeSpan SendTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How to connect again; null: never, and the first attempt is the only one. Default 50 ms to 2 s.</summary>
    public ZmtpReconnect? Reconnect { get; init; } = new(TimeSpan.FromMilliseconds(50), TimeSpan.FromSeconds(2));

    /// <summary>Silence after which a PING is sent; after three times this the connection is given up. Null (default): no PING. Needs a peer of ZMTP 3.1.</summary>
    public TimeSpan? HeartbeatInterval { get; init; }

    /// <summary>Called on each change of state, in order, on the thread that does the reading: it must return soon and not throw.</summary>
    public Action<ZmtpStateChange>? StateChanged { get; init; }

    /// <summary>The clock of all time-outs.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    internal void Validate()
    {
        if (Identity.Length > 255 || (Identity.Length > 0 && Identity.Span[0] == 0))
        {
            throw new ArgumentException("Identity must have at most 255 bytes and must not start with a zero byte.");
        }

        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(MaxFrameBytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(MaxFrameBytes, Array.MaxLength);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(MaxMessageBytes);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(MaxFrames);
        ArgumentOutOfRangeException.ThrowIfNegative(ReceiveHighWater);
        Positive(HandshakeTimeout, nameof(HandshakeTimeout));
        Positive(ConnectTimeout, nameof(ConnectTimeout));
        Positive(SendTimeout, nameof(SendTimeout));
        if (HeartbeatInterval is { } heartbeat)
        {
            Positive(heartbeat, nameof(HeartbeatInterval));
        }

        if (Reconnect is { } reconnect)
        {
            Positive(reconnect.Initial, nameof(Reconnect));
            ArgumentOutOfRangeException.ThrowIfLessThan(reconnect.Max, reconnect.Initial, nameof(Reconnect));
        }
    }

    private static void Positive(TimeSpan value, string name)
    {
        // Timers take at most this; an endless wait is what these options exist to prevent.
        if (value <= TimeSpan.Zero || value > TimeSpan.FromDays(40))
        {
            throw new ArgumentOutOfRangeException(name, value, "Give a time above zero and of at most 40 days.");
        }
    }
}
