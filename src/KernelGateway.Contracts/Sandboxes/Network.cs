using System.Text.Json.Serialization;

namespace KernelGateway.Contracts.Sandboxes;

/// <summary>What code in a sandbox may reach.</summary>
[JsonConverter(typeof(CamelCaseEnumConverter<NetworkPolicy>))]
public enum NetworkPolicy
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>The hosts that are allowed, and nothing else.</summary>
    Allowlist,

    /// <summary>Everything public that is not denied; never private addresses.</summary>
    All,
}

/// <summary>Body of <c>PUT /api/v1/sandboxes/{id}/network</c>. It replaces policy and lists; a list that is left out is empty.</summary>
public sealed record SetNetworkRequest
{
    /// <summary>What code may reach; required.</summary>
    public NetworkPolicy? NetworkPolicy { get; init; }

    /// <summary>See <see cref="CreateSandboxRequest.AllowedHosts"/>.</summary>
    public IReadOnlyList<string>? AllowedHosts { get; init; }

    /// <summary>See <see cref="CreateSandboxRequest.DeniedHosts"/>.</summary>
    public IReadOnlyList<string>? DeniedHosts { get; init; }
}

/// <summary>The network of a sandbox: what it may reach, and what went through since the gateway last took the sandbox up.</summary>
public sealed record NetworkInfo
{
    /// <summary>What code may reach.</summary>
    public required NetworkPolicy NetworkPolicy { get; init; }

    /// <summary>The hosts that are allowed, in canonical spelling.</summary>
    public required IReadOnlyList<string> AllowedHosts { get; init; }

    /// <summary>The hosts that are denied, in canonical spelling; they beat the allowed ones.</summary>
    public required IReadOnlyList<string> DeniedHosts { get; init; }

    /// <summary>Connections that are open now.</summary>
    public required int OpenConnections { get; init; }

    /// <summary>Connections and requests that were allowed and reached their host.</summary>
    public required long Connections { get; init; }

    /// <summary>Connections and requests that were refused by a rule, those cut by a change of the rules among them.</summary>
    public required long Denied { get; init; }

    /// <summary>Denials, of those, that have no event of their own because there were too many in a short time.</summary>
    public required long DeniedWithoutEvent { get; init; }

    /// <summary>Bytes from the sandbox to the world.</summary>
    public required long BytesSent { get; init; }

    /// <summary>Bytes from the world to the sandbox.</summary>
    public required long BytesReceived { get; init; }
}
