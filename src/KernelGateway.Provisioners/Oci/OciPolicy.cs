using KernelGateway.Provisioners.Containers;

namespace KernelGateway.Provisioners.Oci;

/// <summary>The isolation policy of the <c>local</c> variant as data, besides <see cref="ContainerPolicy"/>: the bundle is written from it, and the posture of a started container is compared with it.</summary>
internal static class OciPolicy
{
    internal static readonly string[] Namespaces = ["pid", "network", "ipc", "uts", "mount", "cgroup", "user"];

    internal static readonly string[] CapabilitySets = ["bounding", "effective", "inheritable", "permitted", "ambient"];

    /// <summary>Flags of the sandbox's own disk, its <c>/</c>.</summary>
    internal static readonly string[] RootFlags = ["rw", "nosuid", "nodev"];

    /// <summary>All mounts over the sandbox's own disk, in the order in which they are made.</summary>
    internal static IReadOnlyList<PolicyMount> Mounts(OciProvisionerOptions options, SharedFiles shared, ContainerFolders.SandboxFolders folders) =>
    [
        new("/proc", "proc", "proc", ["nosuid", "noexec", "nodev"], []),
        new("/dev", "tmpfs", "tmpfs", ["nosuid", "noexec"], ["strictatime", "mode=755", "size=64k", "nr_inodes=64"]),
        new("/dev/pts", "devpts", "devpts", ["nosuid", "noexec"], ["newinstance", "ptmxmode=0666", "mode=0620", "max=16"]),
        new("/dev/shm", "tmpfs", "shm", ["nosuid", "noexec", "nodev"], ["mode=1777", $"size={options.SharedMemoryBytes}", "nr_inodes=1024"]),
        new(ContainerPolicy.TmpInside, "tmpfs", "tmp", ["nosuid", "nodev"], ["mode=1777", $"size={options.TmpBytes}", "nr_inodes=16384"]),
        new("/usr", "bind", shared.Usr, ["ro", "nosuid", "nodev"], ["bind", "rprivate"]),
        new("/etc", "bind", shared.Etc, ["ro", "nosuid", "nodev", "noexec"], ["bind", "rprivate"]),
        new(ContainerPolicy.LauncherInside, "bind", shared.Launcher, ["ro", "nosuid", "nodev", "noexec"], ["bind", "rprivate"]),
        new(ContainerPolicy.SocketsInside, "bind", folders.Sockets, ["rw", "nosuid", "nodev", "noexec"], ["bind", "rprivate"]),
        // Read-only, which does not keep from connecting: what is in it is the gateway's alone to make. Empty without a network.
        new(ContainerPolicy.EgressInside, "bind", folders.Egress, ["ro", "nosuid", "nodev", "noexec"], ["bind", "rprivate"]),
        new(ContainerPolicy.LogsInside, "bind", folders.Logs, ["rw", "nosuid", "nodev", "noexec"], ["bind", "rprivate"]),
    ];
}

/// <summary>One mount of a sandbox.</summary>
/// <param name="Destination">Where, inside.</param>
/// <param name="Type">File system, or <c>bind</c>.</param>
/// <param name="Source">What, on the host.</param>
/// <param name="Flags">Options that show in <c>/proc/PID/mountinfo</c> and are compared there.</param>
/// <param name="MakeOptions">Options of making it.</param>
internal sealed record PolicyMount(string Destination, string Type, string Source, string[] Flags, string[] MakeOptions);
