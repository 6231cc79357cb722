using System.Runtime.InteropServices;
using KernelGateway.Provisioners.Native;

namespace KernelGateway.Provisioners.Containers;

/// <summary>Mounts of this gateway in the host's tree.</summary>
internal static class HostMounts
{
    /// <summary>Mounts a folder on itself, to give it flags of its own.</summary>
    /// <exception cref="IOException">It was refused.</exception>
    internal static void BindOnItself(string folder, ulong flags)
    {
        if (LibC.Mount(folder, folder, null, LibC.MountBind, null) != 0
            || LibC.Mount(null, folder, null, LibC.MountBind | LibC.MountRemount | flags, null) != 0)
        {
            throw new IOException($"{folder} could not be mounted on itself: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}.");
        }
    }

    /// <summary>All mounts at and below a folder, in the order in which they were made.</summary>
    internal static IReadOnlyList<MountEntry> Below(string folder) => [.. MountEntry.ParseAll(File.ReadAllText("/proc/self/mountinfo"))
        .Where(mount => mount.MountPoint == folder || mount.MountPoint.StartsWith(folder + "/", StringComparison.Ordinal))];

    /// <summary>Takes away all mounts at and below a folder, at once. What still holds one open keeps it, unseen, until it lets go.</summary>
    /// <exception cref="IOException">It was refused.</exception>
    internal static void DetachBelow(string folder)
    {
        foreach (var mount in Below(folder).Reverse())
        {
            if (LibC.Unmount(mount.MountPoint, LibC.UnmountDetach | LibC.UnmountNoFollow) != 0
                && Marshal.GetLastPInvokeError() is var error and not LibC.Einval)
            {
                // Invalid: somebody else has unmounted it meanwhile.
                throw new IOException($"{mount.MountPoint} could not be unmounted: {Marshal.GetPInvokeErrorMessage(error)}.");
            }
        }
    }
}
