using System.Net;
using System.Net.NetworkInformation;
using KernelGateway.Core.Policies;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace KernelGateway.Core.Egress;

/// <summary>Finds the addresses of a name. Asked once for each connection; what it answers is what is dialled.</summary>
/// <param name="host">A DNS name in ASCII.</param>
/// <param name="cancellationToken">Stops the waiting.</param>
public delegate Task<IPAddress[]> NameResolver(string host, CancellationToken cancellationToken);

/// <summary>What the operator has set for the network of all sandboxes.</summary>
public sealed class NetworkGuard
{
    /// <summary>Addresses come and go with interfaces; asking the host for them costs about a millisecond.</summary>
    private static readonly TimeSpan OwnAddressesAge = TimeSpan.FromSeconds(5);

    private readonly IReadOnlyList<HostRule> _denied;
    private readonly IReadOnlyList<IPNetwork> _allowedPrivate;
    private readonly Lock _gate = new();
    private HashSet<IPAddress>? _ownAddresses;
    private long _ownAddressesAt;

    /// <param name="options">Validated settings.</param>
    /// <param name="resolver">How names are resolved.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">Where to report.</param>
    public NetworkGuard(IOptions<NetworkOptions> options, NameResolver resolver, TimeProvider time, ILogger<NetworkGuard> logger)
    {
        ArgumentNullException.ThrowIfNull(options);
        Options = options.Value;
        Resolver = resolver;
        Time = time;
        Logger = logger;
        _denied = [.. Options.DeniedHosts.Select(pattern => HostRule.TryParse(pattern, everyHost: true, out var rule, out _) ? rule : null).OfType<HostRule>()];
        _allowedPrivate = [.. Options.AllowedPrivateAddresses.Select(IPNetwork.Parse)];
    }

    internal NetworkOptions Options { get; }

    internal NameResolver Resolver { get; }

    internal TimeProvider Time { get; }

    internal ILogger Logger { get; }

    /// <summary>The rules of one sandbox under those of the operator.</summary>
    internal NetworkRules Compile(NetworkSettings settings) => new(settings, _denied, _allowedPrivate);

    /// <summary>The addresses of this host, which may be public and are no sandbox's business.</summary>
    internal IReadOnlySet<IPAddress> OwnAddresses()
    {
        lock (_gate)
        {
            if (_ownAddresses is null || Time.GetElapsedTime(_ownAddressesAt) > OwnAddressesAge)
            {
                _ownAddresses = [.. NetworkInterface.GetAllNetworkInterfaces().SelectMany(i => i.GetIPProperties().UnicastAddresses).Select(a => Plain(a.Address))];
                _ownAddressesAt = Time.GetTimestamp();
            }

            return _ownAddresses;
        }
    }

    /// <summary>An IPv4 address out of its IPv6 form, and without a scope.</summary>
    internal static IPAddress Plain(IPAddress address) =>
        address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 ? new IPAddress(address.GetAddressBytes()) : address;
}
