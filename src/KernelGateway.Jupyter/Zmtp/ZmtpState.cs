namespace KernelGateway.Jupyter.Zmtp;

/// <summary>Where a <see cref="ZmtpSocket"/> stands.</summary>
public enum ZmtpState
{
    /// <summary>No connection; one is being made.</summary>
    Connecting,

    /// <summary>Handshake done, subscriptions sent.</summary>
    Connected,

    /// <summary>Ended for good.</summary>
    Closed,
}

/// <summary>A change of state.</summary>
/// <param name="State">The new state.</param>
/// <param name="ConnectionNumber">Number of connections made so far; 1 for the first.</param>
/// <param name="Reason">Why the connection ended; null for <see cref="ZmtpState.Connected"/>.</param>
public readonly record struct ZmtpStateChange(ZmtpState State, int ConnectionNumber, ZmtpException? Reason);
