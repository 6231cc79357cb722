namespace KernelGateway.Contracts.Sandboxes;

/// <summary>
/// Body of <c>PATCH /api/v1/sandboxes/{id}</c>: what is named changes, all of it or nothing; what is left out (or <c>null</c>) stays as it is.
/// </summary>
public sealed record UpdateSandboxRequest
{
    /// <summary>A new name, 1 to 64 characters.</summary>
    public string? Name { get; init; }

    /// <summary>Tags to set; a tag whose value is <c>null</c> is removed, tags that are not named stay (as in a JSON merge patch, RFC 7396).</summary>
    public IReadOnlyDictionary<string, string?>? Tags { get; init; }

    /// <summary>Time limit of executions that name none, from the next one on, seconds; 0 means none.</summary>
    public double? TimeoutSeconds { get; init; }

    /// <summary>Seconds without use after which the sandbox ends; 0 means never.</summary>
    public double? IdleTimeoutSeconds { get; init; }

    /// <summary>Seconds after its creation at which the sandbox ends; 0 means never. Not together with <see cref="ExpiresInSeconds"/>.</summary>
    public double? LifetimeSeconds { get; init; }

    /// <summary>Seconds from now at which the sandbox ends by its lifetime, more than 0.</summary>
    public double? ExpiresInSeconds { get; init; }

    /// <summary>Processor cores.</summary>
    public double? Cpu { get; init; }

    /// <summary>Memory, MiB. Refused when more than that is in use.</summary>
    public long? MemoryMb { get; init; }

    /// <summary>Most processes and threads at once. Those that are there stay, even when they are more.</summary>
    public int? Pids { get; init; }
}
