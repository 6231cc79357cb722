using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Policies;
using KernelGateway.Core.Provisioning;

namespace KernelGateway.Core.Sandboxes;

/// <summary>What is remembered of a sandbox over a restart of the gateway. Holds secrets: store it 0600.</summary>
public sealed record SandboxRecord
{
    /// <summary>32 hexadecimal digits.</summary>
    public required string Id { get; init; }

    /// <summary>The owner's name; nobody else sees the sandbox.</summary>
    public required string Owner { get; init; }

    /// <summary>The name for people.</summary>
    public required string Name { get; init; }

    /// <summary>The canonical variant name.</summary>
    public required string Variant { get; init; }

    /// <summary>The environment's name.</summary>
    public required string Environment { get; init; }

    /// <summary>Where it is in its life.</summary>
    public required SandboxState State { get; init; }

    /// <summary>Why.</summary>
    public string? StateReason { get; init; }

    /// <summary>The same in one word of <see cref="Contracts.ReasonCodes"/>.</summary>
    public string? StateReasonCode { get; init; }

    /// <summary>When it was created.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When it ended.</summary>
    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>Default time limit of an execution, seconds; 0: none.</summary>
    public required double TimeoutSeconds { get; init; }

    /// <summary>Seconds without use after which it ends; 0: never.</summary>
    public required double IdleTimeoutSeconds { get; init; }

    /// <summary>Seconds after creation after which it ends; 0: never.</summary>
    public required double LifetimeSeconds { get; init; }

    /// <summary>What it may use at most.</summary>
    public required ResourceLimits Limits { get; init; }

    /// <summary>What its code may reach.</summary>
    public NetworkSettings Network { get; init; } = NetworkSettings.None;

    /// <summary>Environment variables of its kernels.</summary>
    public required IReadOnlyDictionary<string, string> Variables { get; init; }

    /// <summary>Its labels.</summary>
    public required IReadOnlyDictionary<string, string> Tags { get; init; }

    /// <summary>The image that was asked for in place of the environment's own.</summary>
    public string? Image { get; init; }

    /// <summary>The key its creation was asked with, if any.</summary>
    public string? IdempotencyKey { get; init; }

    /// <summary>Where it lives; null before it does and after it did.</summary>
    public HostDescription? Host { get; init; }

    /// <summary>Its contexts; the first is the default one.</summary>
    public IReadOnlyList<ContextRecord> Contexts { get; init; } = [];

    /// <summary>The number of the last kernel started; kernel ids are never used again.</summary>
    public int KernelsStarted { get; init; }

    /// <summary>The snapshot it was made from, if any; as long as it starts, it has not all of it.</summary>
    public string? SnapshotId { get; init; }

    /// <summary>Whether use resumes it when it is paused.</summary>
    public bool AutoResume { get; init; }

    /// <summary>What it lacks of the snapshot it was made from, in sentences fit to show.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];

    /// <summary>True when it has come to its end, whatever the reason.</summary>
    public bool HasEnded => State is SandboxState.Terminated or SandboxState.Failed or SandboxState.Lost;
}

/// <summary>A context and the kernel that serves it.</summary>
/// <param name="Id">The context's id.</param>
/// <param name="KernelName">The kernelspec's name.</param>
/// <param name="KernelId">The kernel that lives now, or lived last.</param>
/// <param name="Name">The name for people.</param>
/// <param name="WorkingDirectory">The folder its kernels start in; <c>null</c>: the workspace.</param>
/// <param name="Variables">Its own environment variables.</param>
public sealed record ContextRecord(
    string Id,
    string KernelName,
    string KernelId,
    string? Name = null,
    string? WorkingDirectory = null,
    IReadOnlyDictionary<string, string>? Variables = null);
