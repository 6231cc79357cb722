namespace KernelGateway.Jupyter.Zmtp;

/// <summary>The next wait of a <see cref="ZmtpReconnect"/>.</summary>
internal sealed class ReconnectDelay(ZmtpReconnect reconnect)
{
    private TimeSpan _next = reconnect.Initial;

    /// <summary>A connection that broke at once must not start the waits anew, or a peer could make us storm it.</summary>
    public void ConnectionLived(TimeSpan time)
    {
        if (time >= reconnect.Max)
        {
            _next = reconnect.Initial;
        }
    }

    public TimeSpan Next()
    {
        var wait = _next;
        _next = _next * 2 < reconnect.Max ? _next * 2 : reconnect.Max;
        return wait * (0.5 + (Random.Shared.NextDouble() / 2));
    }
}
