namespace KernelGateway.EndToEnd.Tests.Support;

/// <summary>Looks at the gateway's resident memory ten times a second and remembers the most.</summary>
internal sealed class MemoryWatch : IAsyncDisposable
{
    private readonly PeriodicTimer _clock = new(TimeSpan.FromMilliseconds(100));
    private readonly GatewayProcess _gateway;
    private readonly Task _watching;
    private long _most;

    public MemoryWatch(GatewayProcess gateway)
    {
        _gateway = gateway;
        Baseline = _most = gateway.ResidentBytes;
        _watching = WatchAsync();
    }

    /// <summary>Resident bytes at the beginning.</summary>
    public long Baseline { get; }

    /// <summary>By how many bytes it ever was more than at the beginning.</summary>
    public long Growth => Volatile.Read(ref _most) - Baseline;

    public async ValueTask DisposeAsync()
    {
        _clock.Dispose();
        await _watching;
    }

    private async Task WatchAsync()
    {
        while (await _clock.WaitForNextTickAsync())
        {
            Volatile.Write(ref _most, Math.Max(_most, _gateway.ResidentBytes));
        }
    }
}
