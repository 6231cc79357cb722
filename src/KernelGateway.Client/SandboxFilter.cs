using KernelGateway.Contracts.Sandboxes;

namespace KernelGateway.Client;

/// <summary>Which sandboxes to list; everything that is set must match.</summary>
public sealed record SandboxFilter
{
    /// <summary>Only this variant.</summary>
    public string? Variant { get; init; }

    /// <summary>Only this state.</summary>
    public SandboxState? State { get; init; }

    /// <summary>Only those with all these labels.</summary>
    public IReadOnlyDictionary<string, string>? Tags { get; init; }

    /// <summary>How many to fetch at a time, 1 to 200; the gateway's default when <c>null</c>.</summary>
    public int? PageSize { get; init; }
}
