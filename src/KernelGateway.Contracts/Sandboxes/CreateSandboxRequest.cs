namespace KernelGateway.Contracts.Sandboxes;

/// <summary>Body of <c>POST /api/v1/sandboxes</c>. Everything may be left out; the gateway's configuration gives the defaults and the maxima.</summary>
public sealed record CreateSandboxRequest
{
    /// <summary>A name for people, 1 to 64 characters; generated (<c>colour-word-hex4</c>) when left out. Need not be unique.</summary>
    public string? Name { get; init; }

    /// <summary>Which provisioner runs it: <c>local</c> (default), <c>local-eval</c>, … Case, <c>_</c> and <c>-</c> do not matter.</summary>
    public string? Variant { get; init; }

    /// <summary>The environment's name, for example <c>python-cpu-env</c>.</summary>
    public string? Environment { get; init; }

    /// <summary>Default time limit of one execution, seconds; 0 means none.</summary>
    public double? TimeoutSeconds { get; init; }

    /// <summary>The sandbox ends after this many seconds without an execution or a connected reader; 0 means never.</summary>
    public double? IdleTimeoutSeconds { get; init; }

    /// <summary>The sandbox ends this many seconds after its creation; 0 means never.</summary>
    public double? LifetimeSeconds { get; init; }

    /// <summary>Processor cores, for example <c>0.5</c>. This and the other limits are refused in variants that cannot keep them.</summary>
    public double? Cpu { get; init; }

    /// <summary>Memory, MiB.</summary>
    public long? MemoryMb { get; init; }

    /// <summary>The kind of GPU, for example <c>T4</c>. Refused where there is none, never ignored.</summary>
    public string? Gpu { get; init; }

    /// <summary>Most processes and threads at once.</summary>
    public int? Pids { get; init; }

    /// <summary>Size of the sandbox's own disk (its <c>/</c> with <c>/workspace</c>), MiB.</summary>
    public long? DiskMb { get; init; }

    /// <summary>Most files and folders on that disk; when left out, one for each 16 KiB up to the configured default.</summary>
    public long? DiskInodes { get; init; }

    /// <summary>What code may reach: <c>none</c> (default), <c>allowlist</c> or <c>all</c>.</summary>
    public NetworkPolicy? NetworkPolicy { get; init; }

    /// <summary>
    /// Hosts that may be reached, each <c>host</c>, <c>*.host</c> (its sub-domains, not itself) or an IP address (IPv6 in brackets), with <c>:port</c>
    /// for another port than 80 and 443. Empty or left out with <c>allowlist</c>: none. With <c>all</c> they only open more ports.
    /// </summary>
    public IReadOnlyList<string>? AllowedHosts { get; init; }

    /// <summary>Hosts that may not be reached whatever else is allowed; as <see cref="AllowedHosts"/>, without a port for all ports, and <c>*</c> for every host.</summary>
    public IReadOnlyList<string>? DeniedHosts { get; init; }

    /// <summary>Environment variables for the kernels, at most 256; names match <c>[A-Za-z_][A-Za-z0-9_]*</c>.</summary>
    public IReadOnlyDictionary<string, string>? Env { get; init; }

    /// <summary>Whether the next run, command or question resumes the sandbox after a pause instead of being refused; a pause can say otherwise. Default false.</summary>
    public bool? AutoResume { get; init; }

    /// <summary>Labels to find the sandbox by, at most 64; keys up to 64 and values up to 256 characters.</summary>
    public IReadOnlyDictionary<string, string>? Tags { get; init; }

    /// <summary>The snapshot to start from, by name: files, contexts and variables are as in it, and so is all that is left out here but name and tags. Limits that the variant cannot keep are left out, which <see cref="SandboxInfo.Warnings"/> says.</summary>
    public string? SnapshotName { get; init; }

    /// <summary>The snapshot to start from, by id. Not together with <see cref="SnapshotName"/>.</summary>
    public string? SnapshotId { get; init; }

    /// <summary>Another image than that of the environment, by name, for example <c>code-sandboxes-jupyter:latest</c>; only for variants with images (<c>local-docker</c>), and only one that the configuration allows.</summary>
    public string? Image { get; init; }

    /// <summary>For <c>local-jupyter</c>, where the operator allows it: the base address of a Jupyter Server of the caller's own, in which its kernels shall live.</summary>
    public string? ServerUrl { get; init; }

    /// <summary>The token of that server. Never shown again.</summary>
    public string? ServerToken { get; init; }

    /// <summary>For <c>local-jupyter</c>: the id of a kernel that lives in the server already and becomes that of the default context. It stays alive when the sandbox ends.</summary>
    public string? KernelId { get; init; }
}
