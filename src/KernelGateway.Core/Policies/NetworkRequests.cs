using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Errors;

namespace KernelGateway.Core.Policies;

/// <summary>Checks a policy that somebody asks for, and brings its lists into canonical spelling.</summary>
internal static class NetworkRequests
{
    private const string PolicyField = "networkPolicy";
    private const int MaxPattern = 300;

    /// <param name="policy">The policy asked for; <c>null</c>: the default.</param>
    /// <param name="allowed">The list asked for.</param>
    /// <param name="denied">The list asked for.</param>
    /// <param name="variant">The sandbox's variant.</param>
    /// <param name="confining">The variants that can enforce a policy.</param>
    /// <param name="options">Defaults and maxima.</param>
    /// <exception cref="GatewayException"><see cref="ErrorCode.InvalidArgument"/> or <see cref="ErrorCode.NotSupported"/>, with the field.</exception>
    public static NetworkSettings ToSettings(
        NetworkPolicy? policy,
        IReadOnlyList<string>? allowed,
        IReadOnlyList<string>? denied,
        string variant,
        IReadOnlyCollection<string> confining,
        NetworkOptions options)
    {
        if (!confining.Contains(variant))
        {
            // It would be a promise that nothing keeps.
            return policy is null or NetworkPolicy.All && allowed is null or { Count: 0 } && denied is null or { Count: 0 }
                ? NetworkSettings.Unlimited
                : throw new GatewayException(
                    ErrorCode.NotSupported,
                    $"The variant '{variant}' cannot limit what code reaches; its policy is always 'all'. {(confining.Count == 0 ? "No variant of this gateway can." : $"Variants that can: {string.Join(", ", confining)}.")}",
                    PolicyField);
        }

        var wanted = policy ?? options.DefaultPolicy;
        if (wanted > options.MaxPolicy)
        {
            throw new GatewayException(
                ErrorCode.NotSupported,
                $"'{PolicyField}' may be at most '{Spell(options.MaxPolicy)}' in this gateway, but is '{Spell(wanted)}'. The operator sets {NetworkOptions.Section}:{nameof(NetworkOptions.MaxPolicy)}.",
                PolicyField);
        }

        var settings = new NetworkSettings(wanted, Canonical(allowed, "allowedHosts", false, options), Canonical(denied, "deniedHosts", true, options));
        return wanted != NetworkPolicy.None || settings.AllowedHosts.Count == 0
            ? settings
            : throw new GatewayException(ErrorCode.InvalidArgument, $"'allowedHosts' has no effect with the network policy 'none'. Set '{PolicyField}' to 'allowlist'.", "allowedHosts");
    }

    private static List<string> Canonical(IReadOnlyList<string>? patterns, string field, bool everyHost, NetworkOptions options)
    {
        if (patterns is null)
        {
            return [];
        }

        if (patterns.Count > options.MaxHosts)
        {
            throw new GatewayException(ErrorCode.InvalidArgument, $"'{field}' may hold at most {options.MaxHosts} entries, but holds {patterns.Count}. A wildcard such as *.example.org stands for many.", field);
        }

        return [.. patterns.Select(pattern => One(pattern, field, everyHost)).Distinct()];
    }

    private static string One(string? pattern, string field, bool everyHost)
    {
        var problem = pattern is null ? "is null" : $"has more than {MaxPattern} characters";
        return pattern is { Length: <= MaxPattern } && HostRule.TryParse(pattern, everyHost, out var rule, out problem)
            ? rule.ToString()
            : throw new GatewayException(
                ErrorCode.InvalidArgument,
                $"'{field}' has '{Shown.Short(pattern ?? "")}', which {problem}. Write host, *.host or an address (IPv6 in brackets), with :port for another port than 80 and 443.",
                field);
    }

    private static string Spell(NetworkPolicy policy) => policy.ToString().ToLowerInvariant();
}

/// <summary>Text of strangers, fit to be shown.</summary>
internal static class Shown
{
    private const int Most = 100;

    /// <summary>The beginning of it in printable ASCII.</summary>
    internal static string Short(string text)
    {
        var part = text.Length > Most ? text[..Most] + "..." : text;
        return string.Concat(part.Select(c => c is >= ' ' and <= '~' ? c : '?'));
    }
}
