using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Sandboxes;

namespace KernelGateway.Core.Snapshots;

/// <summary>What a sandbox was like, as a request for another one.</summary>
internal static class SnapshotRecipe
{
    public static CreateSandboxRequest Of(SandboxRecord sandbox) => new()
    {
        Variant = sandbox.Variant,
        Environment = sandbox.Environment,
        TimeoutSeconds = sandbox.TimeoutSeconds,
        IdleTimeoutSeconds = sandbox.IdleTimeoutSeconds,
        LifetimeSeconds = sandbox.LifetimeSeconds,
        Cpu = sandbox.Limits.CpuCores,
        MemoryMb = sandbox.Limits.MemoryBytes >> 20,
        Pids = sandbox.Limits.Pids,
        DiskMb = sandbox.Limits.DiskBytes >> 20,
        DiskInodes = sandbox.Limits.DiskInodes,
        NetworkPolicy = sandbox.Network.Policy,
        AllowedHosts = sandbox.Network.AllowedHosts,
        DeniedHosts = sandbox.Network.DeniedHosts,
        Env = sandbox.Variables,
    };

    public static CreateSandboxRequest WithoutLimits(CreateSandboxRequest recipe) => recipe with { Cpu = null, MemoryMb = null, Pids = null, DiskMb = null, DiskInodes = null };

    /// <summary>Fills what a request leaves out.</summary>
    public static CreateSandboxRequest Complete(CreateSandboxRequest request, CreateSandboxRequest recipe, SandboxOptions options)
    {
        var sameVariant = request.Variant is null || VariantName.Normalize(request.Variant) == recipe.Variant;
        var network = sameVariant && request.NetworkPolicy is null ? recipe : request;
        var env = new Dictionary<string, string>(recipe.Env ?? new Dictionary<string, string>());
        foreach (var (name, value) in request.Env ?? new Dictionary<string, string>())
        {
            env[name] = value;
        }

        return request with
        {
            Variant = request.Variant ?? recipe.Variant,
            Environment = request.Environment ?? recipe.Environment,
            TimeoutSeconds = request.TimeoutSeconds ?? recipe.TimeoutSeconds,
            IdleTimeoutSeconds = request.IdleTimeoutSeconds ?? recipe.IdleTimeoutSeconds,
            LifetimeSeconds = request.LifetimeSeconds ?? Math.Min(recipe.LifetimeSeconds ?? 0, options.MaxSeconds), // An extended one may be longer than one can be asked for.
            Cpu = request.Cpu ?? recipe.Cpu,
            MemoryMb = request.MemoryMb ?? recipe.MemoryMb,
            Pids = request.Pids ?? recipe.Pids,
            DiskMb = request.DiskMb ?? recipe.DiskMb,
            DiskInodes = request.DiskInodes ?? (request.DiskMb is null ? recipe.DiskInodes : null),
            NetworkPolicy = network.NetworkPolicy,
            AllowedHosts = request.AllowedHosts ?? network.AllowedHosts,
            DeniedHosts = request.DeniedHosts ?? network.DeniedHosts,
            Env = env,
        };
    }

    /// <summary>The snapshot that a request names, if any.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.SnapshotNotFound"/>, or both name and id are given.</exception>
    public static StoredSnapshot? Named(CreateSandboxRequest request, string owner, SnapshotCatalog catalog) => (request.SnapshotId, request.SnapshotName) switch
    {
        (null, null) => null,
        (not null, not null) => throw new GatewayException(ErrorCode.InvalidArgument, "'snapshotId' and 'snapshotName' both name the snapshot: give one of them.", "snapshotId"),
        ({ } id, null) => catalog.Get(id, owner),
        (null, { } name) => catalog.GetByName(name, owner),
    };
}
