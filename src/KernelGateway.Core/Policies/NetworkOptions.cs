using KernelGateway.Contracts.Sandboxes;
using Microsoft.Extensions.Options;

namespace KernelGateway.Core.Policies;

/// <summary>Defaults and limits of what sandboxes may reach; configuration section <c>Gateway:Network</c>.</summary>
public sealed class NetworkOptions
{
    /// <summary>The configuration section.</summary>
    public const string Section = "Gateway:Network";

    /// <summary>The policy of a sandbox that names none. Default none.</summary>
    public NetworkPolicy DefaultPolicy { get; set; }

    /// <summary>The widest policy that may be asked for. Default all.</summary>
    public NetworkPolicy MaxPolicy { get; set; } = NetworkPolicy.All;

    /// <summary>Hosts that no sandbox may reach, whatever its own lists say; patterns as in <c>deniedHosts</c>. Default none.</summary>
    public IReadOnlyList<string> DeniedHosts { get; set; } = [];

    /// <summary>Networks (CIDR) that count as public although they are private, for services of one's own and for tests. Default none.</summary>
    public IReadOnlyList<string> AllowedPrivateAddresses { get; set; } = [];

    /// <summary>Most entries of one list of hosts. Default 256.</summary>
    public int MaxHosts { get; set; } = 256;

    /// <summary>Most connections of one sandbox at once. Default 128.</summary>
    public int MaxConnections { get; set; } = 128;

    /// <summary>Largest head of a request or an answer that the proxy reads, bytes. Default 64 KiB.</summary>
    public int MaxHeaderBytes { get; set; } = 64 << 10;

    /// <summary>How long a client may take for the head of its request. Default 10 s.</summary>
    public TimeSpan HeaderTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>How long resolving a name and connecting may take together. Default 10 s.</summary>
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a connection may be without any traffic. Default 5 min.</summary>
    public TimeSpan IdleTimeout { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>Most denials of one sandbox that become events in a minute; more are only counted. Default 60.</summary>
    public int MaxDenialEventsPerMinute { get; set; } = 60;
}

/// <summary>Says of each wrong setting how to put it right; all of them at once.</summary>
public sealed class NetworkOptionsValidator : IValidateOptions<NetworkOptions>
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, NetworkOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        var wrong = new List<string>();
        void Check(bool right, string setting, string how)
        {
            if (!right)
            {
                wrong.Add($"{NetworkOptions.Section}:{setting} {how}");
            }
        }

        void Between(int value, int least, int most, string setting) => Check(value >= least && value <= most, setting, $"is {value}; give {least} to {most}.");
        void Time(TimeSpan value, TimeSpan most, string setting) =>
            Check(value > TimeSpan.Zero && value <= most, setting, $"is {value}; give more than zero and at most {most}.");

        Check(Enum.IsDefined(options.DefaultPolicy), nameof(options.DefaultPolicy), "must be none, allowlist or all.");
        Check(Enum.IsDefined(options.MaxPolicy), nameof(options.MaxPolicy), "must be none, allowlist or all.");
        Check(options.DefaultPolicy <= options.MaxPolicy, nameof(options.DefaultPolicy), $"is wider than {nameof(options.MaxPolicy)}; make either fit the other.");
        Between(options.MaxHosts, 1, 10_000, nameof(options.MaxHosts));
        Between(options.MaxConnections, 1, 10_000, nameof(options.MaxConnections));
        Between(options.MaxHeaderBytes, 1024, 1 << 20, nameof(options.MaxHeaderBytes));
        Between(options.MaxDenialEventsPerMinute, 1, 10_000, nameof(options.MaxDenialEventsPerMinute));
        Time(options.HeaderTimeout, TimeSpan.FromMinutes(5), nameof(options.HeaderTimeout));
        Time(options.ConnectTimeout, TimeSpan.FromMinutes(5), nameof(options.ConnectTimeout));
        Time(options.IdleTimeout, TimeSpan.FromDays(1), nameof(options.IdleTimeout));
        foreach (var host in options.DeniedHosts)
        {
            var good = HostRule.TryParse(host, everyHost: true, out _, out var problem);
            Check(good, nameof(options.DeniedHosts), $"has '{host}', which {problem}.");
        }

        foreach (var network in options.AllowedPrivateAddresses)
        {
            Check(System.Net.IPNetwork.TryParse(network, out _), nameof(options.AllowedPrivateAddresses),
                $"has '{network}'; give networks as address/bits, for example 10.1.0.0/16 or 127.0.0.1/32.");
        }

        return wrong.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(wrong);
    }
}
