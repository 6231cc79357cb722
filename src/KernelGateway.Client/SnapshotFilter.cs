namespace KernelGateway.Client;

/// <summary>Which snapshots to list; everything that is set must match.</summary>
public sealed record SnapshotFilter
{
    /// <summary>Only the one of this name.</summary>
    public string? Name { get; init; }

    /// <summary>Only those made of this sandbox.</summary>
    public string? SandboxId { get; init; }

    /// <summary>How many to fetch at a time, 1 to 200; the gateway's default when <c>null</c>.</summary>
    public int? PageSize { get; init; }
}
