using KernelGateway.Contracts.Snapshots;

namespace KernelGateway.Contracts.Events;

/// <summary>A snapshot was made of the sandbox.</summary>
public sealed record SandboxSnapshottedEvent : SandboxEvent
{
    /// <summary>The snapshot's id.</summary>
    public required string SnapshotId { get; init; }

    /// <summary>Its name; <c>null</c> when it was made for a fork only.</summary>
    public string? Name { get; init; }

    /// <summary>What it takes, bytes.</summary>
    public long Size { get; init; }

    /// <summary>Files, folders and links in it.</summary>
    public int Files { get; init; }

    /// <summary>Variables in it.</summary>
    public int Variables { get; init; }

    /// <summary>Files and variables that could not be kept.</summary>
    public int NotKept { get; init; }
}

/// <summary>The sandbox was made from a snapshot, and has now what was in it.</summary>
public sealed record SandboxRestoredEvent : SandboxEvent
{
    /// <summary>The snapshot's id.</summary>
    public required string SnapshotId { get; init; }

    /// <summary>Files, folders and links that came back.</summary>
    public int Files { get; init; }

    /// <summary>Variables that came back.</summary>
    public int Variables { get; init; }

    /// <summary>Variables that are in the snapshot and could not be brought back, at most 100 of them.</summary>
    public IReadOnlyList<NotKept> NotRestored { get; init; } = [];

    /// <summary>What else the sandbox lacks of the snapshot's, for example limits that its variant cannot keep; as <see cref="Sandboxes.SandboxInfo.Warnings"/>.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];
}
