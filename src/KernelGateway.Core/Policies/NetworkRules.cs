using System.Net;
using KernelGateway.Contracts.Sandboxes;

namespace KernelGateway.Core.Policies;

/// <summary>What a sandbox may reach, ready to decide. Pure: the same question always has the same answer.</summary>
internal sealed class NetworkRules
{
    private static readonly int[] DefaultPorts = [80, 443];

    private readonly NetworkPolicy _policy;
    private readonly IReadOnlyList<HostRule> _allowed;
    private readonly IReadOnlyList<(HostRule Rule, string Owner)> _denied;
    private readonly IReadOnlyList<IPNetwork> _allowedPrivate;

    /// <param name="settings">The sandbox's own, checked.</param>
    /// <param name="operatorDenied">What the operator denies to all.</param>
    /// <param name="allowedPrivate">Private networks that count as public.</param>
    internal NetworkRules(NetworkSettings settings, IReadOnlyList<HostRule> operatorDenied, IReadOnlyList<IPNetwork> allowedPrivate)
    {
        _policy = settings.Policy;
        _allowed = Parse(settings.AllowedHosts);
        _denied = [.. operatorDenied.Select(rule => (rule, "the gateway's deny list")), .. Parse(settings.DeniedHosts).Select(rule => (rule, "deniedHosts"))];
        _allowedPrivate = allowedPrivate;
    }

    /// <summary>Decides by name and port, before anything is resolved.</summary>
    internal NetworkVerdict Decide(Destination destination)
    {
        if (_policy == NetworkPolicy.None)
        {
            return NetworkVerdict.Deny("networkPolicy none", "Set networkPolicy to 'allowlist' with the host in allowedHosts.");
        }

        if (DenyOf(destination.Host, destination.Port) is { } denied)
        {
            return denied;
        }

        var about = _allowed.Where(rule => rule.IsAbout(destination.Host)).ToList();
        if (about.Exists(rule => rule.Port == destination.Port))
        {
            return NetworkVerdict.Allow;
        }

        var hostAllowed = _policy == NetworkPolicy.All || about.Exists(rule => rule.Port is null);
        if (hostAllowed && DefaultPorts.Contains(destination.Port))
        {
            return NetworkVerdict.Allow;
        }

        return hostAllowed || about.Count > 0
            ? NetworkVerdict.Deny($"port {destination.Port}", $"Add '{destination}' to allowedHosts; without a port only 80 and 443 are open.")
            : NetworkVerdict.Deny("not in allowedHosts", $"Add '{(DefaultPorts.Contains(destination.Port) ? destination.Host.Name : destination.ToString())}' to allowedHosts.");
    }

    /// <summary>Decides about one address that the name led to.</summary>
    /// <param name="destination">What was asked for; <see cref="Decide(Destination)"/> has allowed it.</param>
    /// <param name="address">The address to be dialled.</param>
    /// <param name="ownAddresses">Addresses of this host.</param>
    internal NetworkVerdict Decide(Destination destination, IPAddress address, IReadOnlySet<IPAddress> ownAddresses)
    {
        // An address that only wraps another is judged as both.
        var inner = AddressKind.Carried(address);
        foreach (var face in inner is null ? [address] : new[] { address, inner })
        {
            if (DenyOf(HostName.Of(face), destination.Port) is { } denied)
            {
                return denied;
            }

            if (_allowedPrivate.Any(network => network.Contains(face)))
            {
                continue;
            }

            if (AddressKind.OfSpecial(face) is { } kind)
            {
                return NetworkVerdict.Deny(kind, $"{destination.Host.Name} leads to {address}, which sandboxes cannot reach; only the operator can allow it ({NetworkOptions.Section}:{nameof(NetworkOptions.AllowedPrivateAddresses)}).");
            }

            if (ownAddresses.Contains(face))
            {
                return NetworkVerdict.Deny("an address of the gateway's own host", $"{destination.Host.Name} leads to the host itself; only the operator can allow it ({NetworkOptions.Section}:{nameof(NetworkOptions.AllowedPrivateAddresses)}).");
            }
        }

        return NetworkVerdict.Allow;
    }

    private NetworkVerdict? DenyOf(HostName host, int port)
    {
        foreach (var (rule, owner) in _denied)
        {
            if (rule.IsAbout(host) && (rule.Port is null || rule.Port == port))
            {
                return NetworkVerdict.Deny($"'{rule}' in {owner}", owner == "deniedHosts" ? $"Remove '{rule}' from deniedHosts." : "Only the operator of the gateway can allow it.");
            }
        }

        return null;
    }

    private static List<HostRule> Parse(IReadOnlyList<string> patterns) => patterns.Select(pattern => HostRule.TryParse(pattern, everyHost: true, out var rule, out var problem)
        ? rule
        : throw new InvalidDataException($"The recorded rule '{pattern}' {problem}.")).ToList();
}

/// <summary>A decision.</summary>
/// <param name="Allowed">Whether it may be.</param>
/// <param name="Rule">Which rule refused it; empty when allowed.</param>
/// <param name="Hint">The way out, a sentence; empty when allowed.</param>
internal sealed record NetworkVerdict(bool Allowed, string Rule, string Hint)
{
    internal static NetworkVerdict Allow { get; } = new(true, "", "");

    internal static NetworkVerdict Deny(string rule, string hint) => new(false, rule, hint);
}
