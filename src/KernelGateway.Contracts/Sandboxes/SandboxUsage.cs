namespace KernelGateway.Contracts.Sandboxes;

/// <summary>What a sandbox uses and has used, as the host counts it. A figure that the host does not keep is <c>null</c>.</summary>
public sealed record SandboxUsage
{
    /// <summary>When it was read (UTC).</summary>
    public required DateTimeOffset MeasuredAt { get; init; }

    /// <summary>Processor time since the sandbox was made, seconds.</summary>
    public double? CpuSeconds { get; init; }

    /// <summary>Memory in use now, caches of files included, bytes.</summary>
    public long? MemoryBytes { get; init; }

    /// <summary>The most memory that was in use at once, bytes.</summary>
    public long? MemoryPeakBytes { get; init; }

    /// <summary>Processes and threads now.</summary>
    public long? Pids { get; init; }

    /// <summary>How often a process was ended for want of memory.</summary>
    public long? OomKills { get; init; }

    /// <summary>How often a process or thread was refused because there were too many.</summary>
    public long? PidsRefused { get; init; }
}
