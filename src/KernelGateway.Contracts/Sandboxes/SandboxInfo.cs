namespace KernelGateway.Contracts.Sandboxes;

/// <summary>A sandbox as its owner sees it.</summary>
public sealed record SandboxInfo
{
    /// <summary>128 random bits as 32 hexadecimal digits.</summary>
    public required string Id { get; init; }

    /// <summary>The name for people.</summary>
    public required string Name { get; init; }

    /// <summary>The canonical variant name.</summary>
    public required string Variant { get; init; }

    /// <summary>The environment's name.</summary>
    public required string Environment { get; init; }

    /// <summary>Where it is in its life.</summary>
    public required SandboxState State { get; init; }

    /// <summary>Why it is in that state when it ended or failed; a sentence fit to show.</summary>
    public string? StateReason { get; init; }

    /// <summary>The same in one stable word, see <see cref="ReasonCodes"/>.</summary>
    public string? StateReasonCode { get; init; }

    /// <summary>When it was created (UTC).</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When it last ran or received something (UTC).</summary>
    public required DateTimeOffset LastActivityAt { get; init; }

    /// <summary>When it will end by its lifetime (UTC); <c>null</c>: never.</summary>
    public DateTimeOffset? ExpiresAt { get; init; }

    /// <summary>Default time limit of one execution, seconds; 0 means none.</summary>
    public required double TimeoutSeconds { get; init; }

    /// <summary>Seconds without use after which it ends; 0 means never.</summary>
    public required double IdleTimeoutSeconds { get; init; }

    /// <summary>What it may use at most.</summary>
    public required SandboxLimits Limits { get; init; }

    /// <summary>How full its disk is now; <c>null</c> when it has none of its own (yet, any more, or in a variant without).</summary>
    public SandboxDiskUse? Disk { get; init; }

    /// <summary>What the system inside comes from: <c>host</c> for the host's own <c>/usr</c>, or an image as <c>name@sha256:…</c>; <c>null</c> when it does not live.</summary>
    public string? RunsOn { get; init; }

    /// <summary>The snapshot it was made from, which may be gone (that of a fork always is); <c>null</c> when it was made from none.</summary>
    public string? SnapshotId { get; init; }

    /// <summary>What its code may reach.</summary>
    public required NetworkPolicy NetworkPolicy { get; init; }

    /// <summary>The hosts that are allowed, in canonical spelling.</summary>
    public IReadOnlyList<string> AllowedHosts { get; init; } = [];

    /// <summary>The hosts that are denied, in canonical spelling; they beat the allowed ones.</summary>
    public IReadOnlyList<string> DeniedHosts { get; init; } = [];

    /// <summary>Its labels.</summary>
    public required IReadOnlyDictionary<string, string> Tags { get; init; }

    /// <summary>Whether use resumes it when it is paused.</summary>
    public bool AutoResume { get; init; }

    /// <summary>Its kernels; the first is the default context.</summary>
    public required IReadOnlyList<ContextInfo> Contexts { get; init; }

    /// <summary>The number of the last event; reading events after it waits for the next.</summary>
    public required long LastSequence { get; init; }

    /// <summary>What its maker should know of it: limits that its snapshot has and its variant cannot keep. Sentences fit to show; mostly none.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];
}

/// <summary>What a sandbox may use at most.</summary>
/// <param name="Cpu">Processor cores.</param>
/// <param name="MemoryMb">Memory, MiB.</param>
/// <param name="Pids">Processes and threads.</param>
public sealed record SandboxLimits(double Cpu, long MemoryMb, int Pids)
{
    /// <summary>Size of its own disk, MiB; what the file system needs for itself is taken from it. Without meaning in variants without disks.</summary>
    public long DiskMb { get; init; }

    /// <summary>Files and folders on that disk, together.</summary>
    public long DiskInodes { get; init; }
}

/// <summary>How full a sandbox's disk is.</summary>
/// <param name="UsedBytes">Bytes taken.</param>
/// <param name="TotalBytes">Bytes that there are for files.</param>
/// <param name="UsedInodes">Files and folders that there are.</param>
/// <param name="TotalInodes">Files and folders that there can be.</param>
public sealed record SandboxDiskUse(long UsedBytes, long TotalBytes, long UsedInodes, long TotalInodes);

/// <summary>One live kernel of a sandbox with a namespace of its own.</summary>
/// <param name="Id">The context's id; the default one is <c>default</c>.</param>
/// <param name="Kernel">The kernelspec's name.</param>
/// <param name="Language">The kernel's language.</param>
/// <param name="State">What it is doing.</param>
/// <param name="Reason">Why it is dead or unresponsive, when it is.</param>
/// <param name="ReasonCode">The same in one stable word, see <see cref="ReasonCodes"/>.</param>
public sealed record ContextInfo(string Id, string Kernel, string Language, KernelState State, string? Reason, string? ReasonCode = null)
{
    /// <summary>The name for people, when it has one.</summary>
    public string? Name { get; init; }

    /// <summary>The folder its kernels start in; <c>null</c>: the workspace.</summary>
    public string? Cwd { get; init; }
}

/// <summary>The page of <c>GET /api/v1/sandboxes</c>.</summary>
/// <param name="Items">Newest first.</param>
/// <param name="NextCursor">Give it as <c>cursor</c> to read on; <c>null</c> at the end.</param>
public sealed record SandboxList(IReadOnlyList<SandboxInfo> Items, string? NextCursor);
