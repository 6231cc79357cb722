namespace KernelGateway.Client.Connections;

/// <summary>One caller's patience: counts failures in a row, waits longer each time, and gives up when an outage has lasted too long.</summary>
internal sealed class Outage(KernelGatewayClient client)
{
    private static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(2);

    private int _failures;
    private long _since;

    /// <summary>Something worked: the next failure is the first one again.</summary>
    public void End() => _failures = 0;

    /// <summary>Waits before the next attempt.</summary>
    /// <exception cref="KernelGatewayException">The outage has lasted too long.</exception>
    public async Task PauseAsync(Exception cause, CancellationToken cancellationToken)
    {
        var time = client.Time;
        if (_failures++ == 0)
        {
            _since = time.GetTimestamp();
        }

        var patience = client.HasAnswered ? client.GiveUpAfter : client.FirstContactTimeout;
        var left = patience == Timeout.InfiniteTimeSpan ? LongestDelay : patience - time.GetElapsedTime(_since);
        if (left <= TimeSpan.Zero)
        {
            throw new KernelGatewayException(
                ClientErrorCodes.Unreachable,
                $"The gateway at {client.BaseAddress} could not be reached for {patience.TotalSeconds:0.###} s: {Reason(cause)}",
                innerException: cause);
        }

        var delay = Next();
        await Task.Delay(delay < left ? delay : left, time, cancellationToken);
    }

    // Full jitter over an exponentially growing range: clients that lost the same gateway must not come back as one.
    private TimeSpan Next()
    {
        var longest = FirstDelay * Math.Pow(2, Math.Min(_failures - 1, 16));
        var range = longest < LongestDelay ? longest : LongestDelay;
#pragma warning disable CA5394 // Jitter needs no secrecy.
        return (range / 4) + (range * 0.75 * Random.Shared.NextDouble());
#pragma warning restore CA5394
    }

    private static string Reason(Exception cause) => cause.GetBaseException().Message;
}
