using KernelGateway.Contracts.Sandboxes;

namespace KernelGateway.Contracts.Snapshots;

/// <summary>Body of <c>POST /api/v1/sandboxes/{id}/snapshots</c>.</summary>
public sealed record CreateSnapshotRequest
{
    /// <summary>1 to 64 characters, unique among your snapshots.</summary>
    public string? Name { get; init; }

    /// <summary>At most 1000 characters.</summary>
    public string? Description { get; init; }

    /// <summary>Whether to wait for the end of code that runs; with <c>false</c> that is a conflict at once. Default <c>true</c>.</summary>
    public bool? Wait { get; init; }

    /// <summary>How long to wait for it, seconds, up to the configured maximum, which is the default.</summary>
    public double? WaitSeconds { get; init; }

    /// <summary>The contexts whose variables to keep; all when left out, none when empty.</summary>
    public IReadOnlyList<string>? ContextIds { get; init; }
}

/// <summary>Body of <c>PATCH /api/v1/snapshots/{snapshotId}</c>; what is left out stays.</summary>
public sealed record UpdateSnapshotRequest
{
    /// <summary>The new name.</summary>
    public string? Name { get; init; }

    /// <summary>The new description.</summary>
    public string? Description { get; init; }
}

/// <summary>Body of <c>POST /api/v1/sandboxes/{id}/fork</c>.</summary>
public sealed record ForkRequest
{
    /// <summary>How many sandboxes to make. Default 1.</summary>
    public int? Count { get; init; }

    /// <summary>The beginning of their names, which get -1, -2, … behind it; generated when left out.</summary>
    public string? Name { get; init; }

    /// <summary>As in <see cref="CreateSnapshotRequest.Wait"/>.</summary>
    public bool? Wait { get; init; }

    /// <summary>As in <see cref="CreateSnapshotRequest.WaitSeconds"/>.</summary>
    public double? WaitSeconds { get; init; }
}

/// <summary>What became of a fork.</summary>
/// <param name="Children">One for each that was asked for, in order of their numbers.</param>
public sealed record ForkResult(IReadOnlyList<ForkChild> Children);

/// <summary>One child of a fork: a sandbox, or why there is none.</summary>
/// <param name="Sandbox">The sandbox, which runs.</param>
/// <param name="Code">Otherwise the code of the error, see <see cref="Errors.ErrorCodes"/>.</param>
/// <param name="Message">And the same in a sentence.</param>
public sealed record ForkChild(SandboxInfo? Sandbox, string? Code = null, string? Message = null);
