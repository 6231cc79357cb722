using System.Text.RegularExpressions;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;

namespace KernelGateway.Provisioners;

/// <summary>Checks what names folders, control groups and containers before it does.</summary>
internal static partial class SandboxIds
{
    /// <exception cref="GatewayException"><see cref="ErrorCode.InvalidArgument"/>.</exception>
    internal static void Check(string sandboxId)
    {
        if (!Allowed().IsMatch(sandboxId))
        {
            throw new GatewayException(ErrorCode.InvalidArgument, "A sandbox id has 1 to 64 letters, digits, '-' and '_' and begins with a letter or digit.", "id");
        }
    }

    internal static bool IsAllowed(string sandboxId) => Allowed().IsMatch(sandboxId);

    /// <exception cref="GatewayException"><see cref="ErrorCode.InvalidArgument"/>, with the field.</exception>
    internal static void Check(ResourceLimits limits)
    {
        const long LeastMemory = 32L << 20;
        const int LeastPids = 8;
        if (!(limits.CpuCores is >= 0.01 and <= 4096))
        {
            throw new GatewayException(ErrorCode.InvalidArgument, $"cpuCores is {limits.CpuCores}; give 0.01 to 4096.", "limits.cpuCores");
        }

        if (limits.MemoryBytes < LeastMemory)
        {
            throw new GatewayException(ErrorCode.InvalidArgument, $"memoryBytes is {limits.MemoryBytes}; a kernel needs at least {LeastMemory}.", "limits.memoryBytes");
        }

        if (limits.Pids is < LeastPids or > 4_000_000)
        {
            throw new GatewayException(ErrorCode.InvalidArgument, $"pids is {limits.Pids}; give {LeastPids} to 4000000.", "limits.pids");
        }

        if (limits.DiskBytes < ResourceLimits.LeastDiskBytes)
        {
            throw new GatewayException(ErrorCode.InvalidArgument, $"diskBytes is {limits.DiskBytes}; give {ResourceLimits.LeastDiskBytes} or more.", "limits.diskBytes");
        }

        if (limits.DiskInodes < ResourceLimits.LeastDiskInodes || limits.DiskInodes > limits.DiskBytes / ResourceLimits.LeastBytesPerInode)
        {
            throw new GatewayException(ErrorCode.InvalidArgument,
                $"diskInodes is {limits.DiskInodes}; give {ResourceLimits.LeastDiskInodes} to {limits.DiskBytes / ResourceLimits.LeastBytesPerInode}, one for each {ResourceLimits.LeastBytesPerInode} bytes of the disk.", "limits.diskInodes");
        }
    }

    [GeneratedRegex("^[A-Za-z0-9][A-Za-z0-9_-]{0,63}\\z")]
    private static partial Regex Allowed();
}
