namespace KernelGateway.Jupyter.Zmtp;

/// <summary>Makes the connections of one socket, one after the other, with growing pauses between attempts.</summary>
internal sealed class ZmtpDialler(ZmtpEndpoint endpoint, ZmtpSocketType type, ZmtpOptions options)
{
    private readonly ReconnectDelay? _delay = options.Reconnect is { } reconnect ? new ReconnectDelay(reconnect) : null;

    /// <summary>Whether it connects again after a failure that may pass.</summary>
    public bool TriesAgain => _delay is not null;

    /// <summary>Makes the first connection, within the time that the options give.</summary>
    /// <exception cref="ZmtpException">The failure; the last one when the time is over.</exception>
    public async Task<ZmtpConnection> ConnectFirstAsync(CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(options.ConnectTimeout, options.TimeProvider);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        ZmtpException? last = null;
        try
        {
            return await OpenAsync(1, failure => last = failure, either.Token);
        }
        catch (OperationCanceledException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw new ZmtpException(
                last?.Kind ?? ZmtpErrorKind.HandshakeTimeout,
                $"No connection within {options.ConnectTimeout.TotalSeconds:0.###} s. {last?.Message ?? $"{endpoint} does not answer."}",
                last);
        }
    }

    /// <summary>Makes the next connection, after a pause. Only when it <see cref="TriesAgain"/>.</summary>
    /// <param name="lost">The one that broke.</param>
    /// <param name="cancellationToken">Ends the attempts.</param>
    public async Task<ZmtpConnection> ConnectAgainAsync(ZmtpConnection lost, CancellationToken cancellationToken)
    {
        _delay!.ConnectionLived(options.TimeProvider.GetElapsedTime(lost.Started));
        await Task.Delay(_delay.Next(), options.TimeProvider, cancellationToken);
        return await OpenAsync(lost.Number + 1, null, cancellationToken);
    }

    private async Task<ZmtpConnection> OpenAsync(int number, Action<ZmtpException>? failed, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                return await ZmtpConnection.OpenAsync(endpoint, type, options, number, cancellationToken);
            }
            catch (ZmtpException e) when (e.IsTransient && _delay is not null)
            {
                failed?.Invoke(e);
            }

            await Task.Delay(_delay.Next(), options.TimeProvider, cancellationToken);
        }
    }
}
