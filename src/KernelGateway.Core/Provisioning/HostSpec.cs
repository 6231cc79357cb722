using System.Text.Json;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Environments;

namespace KernelGateway.Core.Provisioning;

/// <summary>What a new place must be like.</summary>
/// <param name="SandboxId">The sandbox it is for; names folders, cgroups and containers.</param>
/// <param name="Environment">The recipe.</param>
/// <param name="Limits">What it may use at most.</param>
/// <param name="Variables">Environment variables for kernels and commands.</param>
public sealed record HostSpec(
    string SandboxId,
    EnvironmentDefinition Environment,
    ResourceLimits Limits,
    IReadOnlyDictionary<string, string> Variables)
{
    /// <summary>Another image than that of the environment; one of <see cref="IKernelProvisioner.SelectableImages"/>.</summary>
    public string? Image { get; init; }

    /// <summary>The server that the caller names for it; <c>null</c>: the configured one.</summary>
    public RequestedServer? Server { get; init; }
}

/// <summary>A Jupyter Server that a caller names, or a kernel in it. Holds a secret, which its text does not show.</summary>
/// <param name="Url">Its base address; <c>null</c>: the configured server.</param>
/// <param name="Token">Its token.</param>
/// <param name="KernelId">A kernel that lives there already, to be the first of the place; <c>null</c>: a new one.</param>
public sealed record RequestedServer(string? Url, string? Token, string? KernelId)
{
    /// <inheritdoc/>
    public override string ToString() => $"server {Url}, kernel {KernelId}";
}

/// <summary>What one sandbox may use at most.</summary>
/// <param name="CpuCores">Processor time per second of wall time; 1.0 is one core.</param>
/// <param name="MemoryBytes">Memory and swap together, bytes.</param>
/// <param name="Pids">Processes and threads.</param>
public sealed record ResourceLimits(double CpuCores, long MemoryBytes, int Pids)
{
    /// <summary>The smallest disk.</summary>
    public const long LeastDiskBytes = 16L << 20;

    /// <summary>The fewest files and folders of a disk.</summary>
    public const long LeastDiskInodes = 256;

    /// <summary>How much disk there must be for each file it may hold.</summary>
    public const long LeastBytesPerInode = 4096;

    /// <summary>Size of the sandbox's own disk, bytes; what the file system needs for itself is taken from it.</summary>
    public long DiskBytes { get; init; } = 1L << 30;

    /// <summary>Files and folders on it, together.</summary>
    public long DiskInodes { get; init; } = 65_536;

    /// <summary>In the units of the API.</summary>
    public SandboxLimits ToContract() => new(CpuCores, MemoryBytes >> 20, Pids) { DiskMb = DiskBytes >> 20, DiskInodes = DiskInodes };
}

/// <summary>How full a sandbox's disk is.</summary>
/// <param name="UsedBytes">Taken.</param>
/// <param name="TotalBytes">Taken and free.</param>
/// <param name="UsedInodes">Files and folders that there are.</param>
/// <param name="TotalInodes">Files and folders that there can be.</param>
public sealed record DiskUse(long UsedBytes, long TotalBytes, long UsedInodes, long TotalInodes);

/// <summary>One kernel to start.</summary>
/// <param name="KernelId">Unique within the sandbox, never reused: a restarted kernel has a new one. Lower-case letters and digits.</param>
/// <param name="KernelName">The kernelspec's name in the environment, for example <c>python3</c>.</param>
/// <param name="WorkingDirectory">Where it starts, as seen inside; <c>null</c> for the environment's default.</param>
/// <param name="Variables">More environment variables for this kernel only.</param>
public sealed record KernelLaunch(
    string KernelId,
    string KernelName,
    string? WorkingDirectory,
    IReadOnlyDictionary<string, string> Variables);

/// <summary>What <see cref="IKernelProvisioner.ReattachAsync"/> needs; opaque to everybody but the variant that wrote it.</summary>
/// <param name="Variant">The variant that can read it.</param>
/// <param name="SandboxId">The sandbox it belongs to.</param>
/// <param name="Data">The variant's own data.</param>
public sealed record HostDescription(string Variant, string SandboxId, JsonElement Data);

/// <summary>How a place ended.</summary>
/// <param name="Reason">One of <c>terminated</c>, <c>oom</c>, <c>died</c>, <c>lost</c>: words of <see cref="Contracts.ReasonCodes"/>.</param>
/// <param name="Message">A sentence fit to show.</param>
public sealed record HostExit(string Reason, string Message);

/// <summary>How a kernel's process ended.</summary>
/// <param name="Reason">One of <c>exited</c>, <c>signal</c>, <c>oom</c>, <c>terminated</c>, <c>lost</c>: words of <see cref="Contracts.ReasonCodes"/>.</param>
/// <param name="Message">A sentence fit to show, for example "The kernel was ended by signal 11 (SIGSEGV)."</param>
/// <param name="ExitCode">The exit code, when it ended by itself.</param>
/// <param name="Signal">The signal number, when one ended it.</param>
/// <param name="StderrTail">The last it wrote to its raw standard error, at most 4 KiB; <c>null</c> when nothing.</param>
public sealed record KernelExit(string Reason, string Message, int? ExitCode, int? Signal, string? StderrTail);
