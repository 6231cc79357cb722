namespace KernelGateway.Contracts.Snapshots;

/// <summary>A snapshot: the files and variables that a sandbox had at one moment.</summary>
public sealed record SnapshotInfo
{
    /// <summary>32 hexadecimal digits.</summary>
    public required string Id { get; init; }

    /// <summary>Its name, which no other snapshot of the owner has.</summary>
    public required string Name { get; init; }

    /// <summary>What its owner wrote about it.</summary>
    public string Description { get; init; } = "";

    /// <summary>The sandbox it was made of, which may be gone.</summary>
    public required string SandboxId { get; init; }

    /// <summary>That sandbox's variant.</summary>
    public required string Variant { get; init; }

    /// <summary>That sandbox's environment.</summary>
    public required string Environment { get; init; }

    /// <summary>When it was made.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>What it takes on the gateway's disk, bytes.</summary>
    public long Size { get; init; }

    /// <summary>Files, folders and links in it.</summary>
    public int Files { get; init; }

    /// <summary>Variables in it, of all contexts.</summary>
    public int Variables { get; init; }

    /// <summary>Files and variables that could not be kept; its manifest says which and why.</summary>
    public int NotKept { get; init; }

    /// <summary>Why it cannot be used: it is corrupt, or another gateway made it; <c>null</c> when it can, as far as is known before it is read.</summary>
    public string? Damage { get; init; }
}

/// <summary>One page of snapshots, newest first.</summary>
/// <param name="Items">The snapshots.</param>
/// <param name="NextCursor">Ask with this for what follows; <c>null</c> when there is no more.</param>
public sealed record SnapshotList(IReadOnlyList<SnapshotInfo> Items, string? NextCursor);
