using System.ComponentModel;
using System.Runtime.InteropServices;
using KernelGateway.Core.Faults;
using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Native;

namespace KernelGateway.Provisioners.Containers;

/// <summary>
/// The two small disks of a sandbox: one is its <c>/</c>, the other holds what it shares with the gateway (sockets, logs of
/// kernels, last words). Both are bounded by the host's kernel, and apart, so that a full disk keeps nobody from saying so.
/// </summary>
/// <remarks>An image is made empty, mounted once and thrown away. It is never mounted again after a sandbox has written to it.</remarks>
/// <param name="quota">Whether they are disks of their own; if not, folders on the host's.</param>
/// <param name="sharedBytes">Size of the second one.</param>
/// <param name="time">For deadlines.</param>
internal sealed class SandboxDisks(bool quota, long sharedBytes, TimeProvider time)
{
    internal const string FileSystem = "ext4";
    internal const string MakeProgram = "mkfs.ext4";

    private const ulong Flags = LibC.MountNoSetId | LibC.MountNoDevices | LibC.MountNoAccessTimes;

    /// <summary>Sockets, a folder a kernel, and the segments of their logs.</summary>
    private const long SharedInodes = 4096;

    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private static readonly TimeSpan MakeDeadline = TimeSpan.FromSeconds(60);

    /// <summary>What disks of their own lack on this host; <c>null</c> when nothing.</summary>
    /// <param name="setting">The setting that does without them.</param>
    internal static string? FindMissing(string setting) => FindMissing(File.Exists(LoopDevice.ControlPath), HostPrograms.TryFind(MakeProgram, out _), setting);

    internal static string? FindMissing(bool hasLoopDevices, bool hasMakeProgram, string setting)
    {
        var wayOut = $"Or set {setting} to false, which is weaker: a sandbox can then fill the host's disk.";
        if (!hasLoopDevices)
        {
            return $"The host has no loop devices ({LoopDevice.ControlPath} is missing), which sandboxes' disks need. Load them (modprobe loop), and in a container pass them in. {wayOut}";
        }

        return hasMakeProgram
            ? null
            : $"'{MakeProgram}' was not found, which makes sandboxes' disks. Install it (apt install e2fsprogs). {wayOut}";
    }

    /// <summary>Makes both, mounts them and writes what must be there before the first process.</summary>
    /// <param name="folders">Where they belong.</param>
    /// <param name="kernelUid">The user of sockets and logs.</param>
    /// <param name="limits">Size of the first one.</param>
    /// <param name="fill">Writes what belongs on the first one, given its folder.</param>
    /// <exception cref="IOException">With what the host lacks.</exception>
    internal async Task MakeAsync(ContainerFolders.SandboxFolders folders, uint kernelUid, ResourceLimits limits, Action<string> fill)
    {
        if (quota)
        {
            await Task.WhenAll(
                MakeImageAsync(folders.DiskImage, limits.DiskBytes, limits.DiskInodes),
                MakeImageAsync(folders.RunImage, sharedBytes, SharedInodes));
            Fault.At("local.disk_made");
            // No flushes to the host's disk for what nobody will ever read again after a power cut; freed blocks go back to the host.
            const string Options = "discard,noinit_itable,barrier=0";
            LoopDevice.Mount(folders.DiskImage, folders.Disk, FileSystem, Flags, Options);
            Fault.At("local.disk_mounted");
            LoopDevice.Mount(folders.RunImage, folders.Run, FileSystem, Flags | LibC.MountNoExecution, Options);
        }
        else
        {
            HostMounts.BindOnItself(folders.Disk, Flags);
            Fault.At("local.disk_mounted");
            HostMounts.BindOnItself(folders.Run, Flags | LibC.MountNoExecution);
        }

        Fault.At("local.disks_mounted");
        fill(folders.Disk);
        foreach (var folder in new[] { folders.Sockets, folders.Logs })
        {
            Directory.CreateDirectory(folder, OwnerOnly);
            Give(folder, kernelUid);
        }
    }

    /// <summary>How full the sandbox's disk is; <c>null</c> when it is not mounted or has no quota.</summary>
    internal unsafe DiskUse? Measure(ContainerFolders.SandboxFolders folders)
    {
        // struct statvfs of 64-bit systems: sizes of block and fragment, blocks (all, free, available), inodes (all, free, available) …
        var values = stackalloc ulong[32];
        if (!quota || LibC.StatVfs(folders.Disk, values) != 0)
        {
            return null;
        }

        var size = (long)values[1];
        return new DiskUse((long)(values[2] - values[3]) * size, (long)values[2] * size, (long)(values[5] - values[6]), (long)values[5]);
    }

    internal static void Give(string path, uint uid)
    {
        if (LibC.LChown(path, uid, uid) != 0)
        {
            throw new IOException($"{path} could not be given to uid {uid}: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}.");
        }
    }

    private async Task MakeImageAsync(string image, long bytes, long inodes)
    {
        await using (var file = new FileStream(image, new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        }))
        {
            // Sparse: what is not written costs nothing.
            file.SetLength(bytes);
        }

        if (!HostPrograms.TryFind(MakeProgram, out var program))
        {
            throw new IOException($"{MakeProgram} was not found.");
        }

        try
        {
            // No journal: nobody mounts it again after a crash. No reserved blocks: there is no administrator inside.
            string[] arguments =
            [
                "-q", "-F", "-b", "4096", "-I", "256", "-m", "0", "-e", "continue", "-O", "^has_journal,^resize_inode",
                "-E", "lazy_itable_init=1,nodiscard", "-N", inodes.ToString(System.Globalization.CultureInfo.InvariantCulture), image,
            ];
            var result = await ExternalProgram.RunAsync(program, arguments, MakeDeadline, time);
            if (result.ExitCode != 0)
            {
                throw new IOException($"{program} failed with exit code {result.ExitCode}: {result.Error}");
            }
        }
        catch (Exception error) when (error is Win32Exception or TimeoutException)
        {
            throw new IOException(error.Message, error);
        }
    }
}
