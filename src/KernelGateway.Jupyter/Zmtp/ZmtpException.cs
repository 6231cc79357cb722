namespace KernelGateway.Jupyter.Zmtp;

/// <summary>What went wrong on a ZMTP socket.</summary>
public enum ZmtpErrorKind
{
    /// <summary>The text is not an endpoint this client can connect to.</summary>
    InvalidEndpoint,

    /// <summary>Nobody answers at the endpoint (refused, missing, unreachable). Transient.</summary>
    ConnectFailed,

    /// <summary>The peer did not finish connect and handshake in time. Transient.</summary>
    HandshakeTimeout,

    /// <summary>The connection ended. What was being sent may or may not have arrived. Transient.</summary>
    ConnectionLost,

    /// <summary>A message could not be handed over in time. When it was half written the connection was cut. Transient.</summary>
    SendTimeout,

    /// <summary>The peer was silent for three heartbeat intervals. Transient.</summary>
    HeartbeatTimeout,

    /// <summary>The peer speaks ZMTP 1 or 2.</summary>
    UnsupportedVersion,

    /// <summary>The peer asks for a security mechanism other than NULL.</summary>
    UnsupportedMechanism,

    /// <summary>The peer is a socket type that cannot talk with ours.</summary>
    IncompatibleSocketType,

    /// <summary>The peer answered the handshake with an ERROR command.</summary>
    RefusedByPeer,

    /// <summary>The bytes of the peer are not ZMTP 3.</summary>
    ProtocolViolation,

    /// <summary>The path of the socket is or contains a link, or is not a socket.</summary>
    UnsafePath,

    /// <summary>The process that listens runs under another uid than expected.</summary>
    PeerUidMismatch,

    /// <summary>The socket was closed by its owner.</summary>
    Closed,
}

/// <summary>A failure of a ZMTP socket, with a message fit to show.</summary>
public sealed class ZmtpException : Exception
{
    /// <summary>Makes the failure.</summary>
    public ZmtpException(ZmtpErrorKind kind, string message, Exception? innerException = null)
        : base(message, innerException) => Kind = kind;

    /// <summary>What went wrong.</summary>
    public ZmtpErrorKind Kind { get; }

    /// <summary>Whether the same connection may succeed later. A socket that reconnects does so only after these.</summary>
    public bool IsTransient => Kind is ZmtpErrorKind.ConnectFailed or ZmtpErrorKind.HandshakeTimeout
        or ZmtpErrorKind.ConnectionLost or ZmtpErrorKind.SendTimeout or ZmtpErrorKind.HeartbeatTimeout;

    internal static ZmtpException Violation(string message) => new(ZmtpErrorKind.ProtocolViolation, message);

    /// <summary>The same failure for one more caller: a thrown exception must not be shared, its stack trace is written to.</summary>
    internal ZmtpException Again() => new(Kind, Message, this);
}
