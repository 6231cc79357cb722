using System.Net;
using System.Threading.RateLimiting;
using KernelGateway.Server.Configuration;
using Microsoft.Extensions.Options;

namespace KernelGateway.Server.Security;

/// <summary>How much each caller may ask: per API key, and per address for those who have none that is known.</summary>
internal sealed class CallLimits : IDisposable
{
    private static readonly TimeSpan Refill = TimeSpan.FromMilliseconds(100);

    private readonly PartitionedRateLimiter<string> _open;
    private readonly PartitionedRateLimiter<string> _calls;
    private readonly PartitionedRateLimiter<IPAddress> _unknown;

    public CallLimits(IOptions<LimitOptions> options)
    {
        var limits = options.Value;
        _open = PartitionedRateLimiter.Create<string, string>(key => RateLimitPartition.GetConcurrencyLimiter(key, _ => new ConcurrencyLimiterOptions
        {
            PermitLimit = limits.MaxOpenRequestsPerKey,
        }));
        _calls = PartitionedRateLimiter.Create<string, string>(key => RateLimitPartition.GetTokenBucketLimiter(key, _ => new TokenBucketRateLimiterOptions
        {
            TokenLimit = limits.RequestsPerSecondPerKey * 2,
            TokensPerPeriod = Math.Max(1, limits.RequestsPerSecondPerKey / 10),
            ReplenishmentPeriod = Refill,
        }));
        _unknown = PartitionedRateLimiter.Create<IPAddress, IPAddress>(address => RateLimitPartition.GetFixedWindowLimiter(address, _ => new FixedWindowRateLimiterOptions
        {
            PermitLimit = limits.UnknownKeysPerMinute,
            Window = TimeSpan.FromMinutes(1),
        }));
    }

    /// <summary>Takes one of the open requests of a key, which is given back when the lease is disposed.</summary>
    public RateLimitLease Open(string keyId) => _open.AttemptAcquire(keyId);

    /// <summary>Counts a call; false when the key has called too often of late.</summary>
    public bool MayCall(string keyId)
    {
        using var lease = _calls.AttemptAcquire(keyId);
        return lease.IsAcquired;
    }

    /// <summary>Counts an unknown key; false when the address has sent too many.</summary>
    public bool MayGuess(IPAddress? address)
    {
        using var lease = _unknown.AttemptAcquire(address ?? IPAddress.None);
        return lease.IsAcquired;
    }

    public void Dispose()
    {
        _open.Dispose();
        _calls.Dispose();
        _unknown.Dispose();
    }
}
