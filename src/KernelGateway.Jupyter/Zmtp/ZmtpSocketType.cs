namespace KernelGateway.Jupyter.Zmtp;

/// <summary>The socket types this client can play (RFC 28/REQREP and 29/PUBSUB).</summary>
public enum ZmtpSocketType
{
    /// <summary>Asynchronous requests; talks to ROUTER, DEALER or REP.</summary>
    Dealer,

    /// <summary>Subscriber; talks to PUB or XPUB. It receives nothing before a subscription.</summary>
    Sub,

    /// <summary>
    /// Request and reply with an empty delimiter frame, which is added and removed here; talks to REP or ROUTER.
    /// The strict alternation of send and receive is the caller's to keep.
    /// </summary>
    Req,
}

internal static class ZmtpSocketTypeNames
{
    /// <summary>The name on the wire.</summary>
    public static string WireName(this ZmtpSocketType type) => type switch
    {
        ZmtpSocketType.Dealer => "DEALER",
        ZmtpSocketType.Sub => "SUB",
        _ => "REQ",
    };

    /// <summary>Whether RFC 23 section "The Socket-Type Property" lets the two talk.</summary>
    public static bool Accepts(this ZmtpSocketType type, string peer) => type switch
    {
        ZmtpSocketType.Dealer => peer is "ROUTER" or "DEALER" or "REP",
        ZmtpSocketType.Sub => peer is "PUB" or "XPUB",
        _ => peer is "REP" or "ROUTER",
    };
}
