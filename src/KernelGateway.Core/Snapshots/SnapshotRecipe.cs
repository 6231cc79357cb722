using System.Globalization;
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
        Image = sandbox.Image,
        AutoResume = sandbox.AutoResume,
    };

    /// <summary>Fills what a request leaves out.</summary>
    /// <param name="request">The request.</param>
    /// <param name="recipe">That of the snapshot.</param>
    /// <param name="variants">The variants that there are.</param>
    /// <param name="options">Defaults and maxima.</param>
    /// <returns>The request, and what could not be taken over though nobody said that it need not, in sentences fit to show.</returns>
    /// <exception cref="GatewayException"><see cref="ErrorCode.NotSupported"/>: the variant cannot limit what code reaches, as that of the snapshot did, and the request does not say that it need not.</exception>
    public static (CreateSandboxRequest Request, IReadOnlyList<string> Warnings) Complete(CreateSandboxRequest request, CreateSandboxRequest recipe, Variants variants, SandboxOptions options)
    {
        var source = VariantName.Normalize(recipe.Variant ?? options.DefaultVariant);
        var target = VariantName.Normalize(request.Variant ?? source);
        var network = NetworkOf(request, recipe, source, target, variants);
        var warnings = new List<string>();
        if (variants.Find(target) is { EnforcesLimits: false })
        {
            // No request can say "none" for them, so the sandbox is made without, and that is told. Where nobody kept them before, nothing is lost.
            if (variants.Find(source) is not { EnforcesLimits: false })
            {
                warnings.Add($"The limits of the snapshot's sandbox ({Limits(recipe)}) were not taken over: the variant '{target}' cannot hold a kernel to limits. {VariantRequests.Can(variants.That(p => p.EnforcesLimits))}");
            }

            recipe = recipe with { Cpu = null, MemoryMb = null, Pids = null, DiskMb = null, DiskInodes = null };
        }

        var env = new Dictionary<string, string>(recipe.Env ?? new Dictionary<string, string>());
        foreach (var (name, value) in request.Env ?? new Dictionary<string, string>())
        {
            env[name] = value;
        }

        var completed = request with
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
            Image = request.Image ?? (source == target ? recipe.Image : null),
            AutoResume = request.AutoResume ?? recipe.AutoResume,
        };
        return (completed, warnings);
    }

    /// <summary>Whose network policy counts.</summary>
    private static CreateSandboxRequest NetworkOf(CreateSandboxRequest request, CreateSandboxRequest recipe, string source, string target, Variants variants)
    {
        if (request.NetworkPolicy is not null || (source != target && variants.Find(source) is { ConfinesNetwork: false }))
        {
            return request; // That of a variant which has but one was nobody's choice.
        }

        var isLimited = recipe.NetworkPolicy is NetworkPolicy.None or NetworkPolicy.Allowlist || recipe.DeniedHosts is { Count: > 0 };
        return isLimited && source != target && variants.Find(target) is { ConfinesNetwork: false }
            ? throw new GatewayException(
                ErrorCode.NotSupported,
                $"The snapshot's sandbox was limited in what its code reaches (network policy '{recipe.NetworkPolicy.ToString()!.ToLowerInvariant()}'), which the variant '{target}' cannot do. Set 'networkPolicy' to 'all' if it need not be. {VariantRequests.Can(variants.Confining())}",
                "networkPolicy")
            : recipe;
    }

    private static string Limits(CreateSandboxRequest recipe)
    {
        (string Name, IFormattable? Value)[] limits = [("cpu", recipe.Cpu), ("memoryMb", recipe.MemoryMb), ("pids", recipe.Pids), ("diskMb", recipe.DiskMb), ("diskInodes", recipe.DiskInodes)];
        return string.Join(", ", limits.Where(limit => limit.Value is not null).Select(limit => $"{limit.Name} {limit.Value!.ToString(null, CultureInfo.InvariantCulture)}"));
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
