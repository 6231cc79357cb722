namespace KernelGateway.Core.Policies;

/// <summary>A folder of the host that an operator gives to the sandboxes of an environment: an item of <c>Gateway:Environments:&lt;name&gt;:Mounts</c>.</summary>
public sealed record HostMount
{
    /// <summary>The folder on the host: absolute, without links. Never shown to users.</summary>
    public string Source { get; init; } = "";

    /// <summary>Where it is inside: absolute, not in a folder of the system.</summary>
    public string Target { get; init; } = "";

    /// <summary><c>read</c> or <c>write</c>.</summary>
    public string Access { get; init; } = "read";

    /// <summary>Files and folders below the source, or patterns of them, that are empty inside.</summary>
    public IReadOnlyList<string> DenyRead { get; init; } = [];

    /// <summary>With access <c>write</c>, the folders and files that may be written; none means all.</summary>
    public IReadOnlyList<string> AllowWrite { get; init; } = [];

    /// <summary>Files and folders, or patterns of them, that cannot be written even so.</summary>
    public IReadOnlyList<string> DenyWrite { get; init; } = [];

    /// <summary>True when anything in it may be written.</summary>
    public bool IsWritable => string.Equals(Access, "write", StringComparison.OrdinalIgnoreCase);
}

/// <summary>The mounts of all environments; configuration section <c>Gateway</c>.</summary>
public sealed class HostMountOptions
{
    /// <summary>By name of the environment.</summary>
    public IDictionary<string, EnvironmentMounts> Environments { get; } = new Dictionary<string, EnvironmentMounts>(StringComparer.Ordinal);
}

/// <summary>What an operator adds to one environment.</summary>
public sealed record EnvironmentMounts
{
    /// <summary>The folders of the host that its sandboxes get.</summary>
    public IReadOnlyList<HostMount> Mounts { get; init; } = [];
}
