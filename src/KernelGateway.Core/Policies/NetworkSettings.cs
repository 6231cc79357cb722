using KernelGateway.Contracts.Sandboxes;

namespace KernelGateway.Core.Policies;

/// <summary>The network policy of a sandbox as it is remembered: checked, and in canonical spelling.</summary>
/// <param name="Policy">What code may reach.</param>
/// <param name="AllowedHosts">The hosts that are allowed.</param>
/// <param name="DeniedHosts">The hosts that are denied all the same.</param>
public sealed record NetworkSettings(NetworkPolicy Policy, IReadOnlyList<string> AllowedHosts, IReadOnlyList<string> DeniedHosts)
{
    /// <summary>Nothing can be reached.</summary>
    public static NetworkSettings None { get; } = new(NetworkPolicy.None, [], []);

    /// <summary>No limits at all: what a variant has that cannot set any.</summary>
    public static NetworkSettings Unlimited { get; } = new(NetworkPolicy.All, [], []);
}
