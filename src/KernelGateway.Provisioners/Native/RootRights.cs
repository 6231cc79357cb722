using System.Globalization;

namespace KernelGateway.Provisioners.Native;

/// <summary>What root may do, which in a container is often little.</summary>
internal static class RootRights
{
    private const ulong AdministerSystem = 1UL << 21;

    /// <summary>Whether this process is root with root's powers.</summary>
    internal static bool MayAdminister() =>
        LibC.GetEffectiveUid() == 0 && (Capabilities(File.ReadLines("/proc/self/status")) & AdministerSystem) != 0;

    /// <summary>The effective capabilities in the lines of <c>/proc/PID/status</c>.</summary>
    internal static ulong Capabilities(IEnumerable<string> status) => status
        .Where(line => line.StartsWith("CapEff:", StringComparison.Ordinal))
        .Select(line => ulong.Parse(line.AsSpan(7).Trim(), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture))
        .FirstOrDefault();
}
