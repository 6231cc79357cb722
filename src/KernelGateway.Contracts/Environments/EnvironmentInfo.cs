namespace KernelGateway.Contracts.Environments;

/// <summary>A recipe that sandboxes can be made from.</summary>
/// <param name="Name">Unique name, for example <c>python-cpu-env</c>.</param>
/// <param name="Title">One line for people.</param>
/// <param name="Language">The language of its default kernel.</param>
/// <param name="Kernels">The kernelspec names it offers.</param>
/// <param name="Modules">Modules user code may expect to import.</param>
public sealed record EnvironmentInfo(string Name, string Title, string Language, IReadOnlyList<string> Kernels, IReadOnlyList<string> Modules)
{
    /// <summary>By variant, what a new sandbox would run on: <c>host</c> for the host's own <c>/usr</c>, or an image as <c>name@sha256:…</c>. Variants that cannot be used, or do not know, are not in it.</summary>
    public IReadOnlyDictionary<string, string> RunsOn { get; init; } = new Dictionary<string, string>();

    /// <summary>The packages that can be installed into its sandboxes; <c>*</c> stands for all.</summary>
    public IReadOnlyList<string> Packages { get; init; } = [];

    /// <summary>Folders that the operator gives to its sandboxes.</summary>
    public IReadOnlyList<MountInfo> Mounts { get; init; } = [];
}

/// <summary>A folder that the operator gives to sandboxes. It outlives them, and others may use it too.</summary>
/// <param name="Target">Where it is inside.</param>
/// <param name="Access"><c>read</c> or <c>write</c>; parts of it may be closed even so.</param>
public sealed record MountInfo(string Target, string Access);

/// <summary>The answer of <c>GET /api/v1/environments</c>.</summary>
/// <param name="Items">By name.</param>
public sealed record EnvironmentList(IReadOnlyList<EnvironmentInfo> Items);
