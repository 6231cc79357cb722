using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Containers;

namespace KernelGateway.Provisioners.Docker;

/// <summary>Compares a process of a container, as the kernel of the host shows it, with <see cref="DockerPolicy"/>.</summary>
/// <remarks>An engine, or its runtime, that ignores a part of what it was asked for looks just like one that obeys, until this is read.</remarks>
internal sealed class DockerPosture(DockerProvisionerOptions options, CgroupLayout layout, CgroupLimits cgroup, uint uid, ResourceLimits limits)
{
    // No user namespace: see DockerPolicy.
    private static readonly string[] NamespaceLinks = ["pid", "mnt", "net", "ipc", "uts", "cgroup"];

    /// <summary>What the engine mounts besides the policy's own mounts. Nobody can write there, or it is bounded by memory.</summary>
    private static readonly HashSet<string> Tolerated =
    [
        "/", "/proc", "/dev", "/dev/pts", "/dev/mqueue", "/dev/shm", "/dev/console", "/sys", "/etc/hostname", "/sbin/docker-init", "/usr/sbin/docker-init", ContainerPolicy.TmpInside,
        .. ContainerPolicy.MaskedPaths, .. ContainerPolicy.ReadOnlyPaths,
    ];

    /// <summary>All differences, each as a sentence without end; empty when the process is as it should be.</summary>
    /// <param name="pid">A live process of the container.</param>
    /// <param name="oomScoreAdjust">900 for the first processes, 1000 for kernels.</param>
    /// <param name="isEnginesInit">Whether it is the engine's own first process, whose umask nobody can set; it makes no files.</param>
    internal IReadOnlyList<string> Deviations(int pid, int oomScoreAdjust, bool isEnginesInit = false)
    {
        var posture = new ProcessPosture(pid);
        // The engine gives the group as a supplementary one, too.
        posture.CheckRights(uid, ["", EngineAnswer.Text(uid)], oomScoreAdjust, isEnginesInit ? "0022" : "0077");
        posture.CheckNamespaces(NamespaceLinks);
        CheckMounts(posture);
        posture.CheckResourceLimits(options.MaxFileBytes, limits.Pids);
        posture.CheckCgroup(layout, cgroup, limits);
        return posture.Deviations;
    }

    private static void CheckMounts(ProcessPosture posture)
    {
        var mounts = posture.Mounts();
        Demand(mounts, posture, "/", "ro");
        Demand(mounts, posture, "/sys", "ro");
        Demand(mounts, posture, ContainerPolicy.TmpInside, "nosuid", "nodev");
        Demand(mounts, posture, "/dev/shm", "nosuid", "nodev");
        posture.CheckMasks(mounts);
        string[] own = [.. DockerPolicy.OwnFolders.Select(name => "/" + name)];
        string[] shared = [ContainerPolicy.SocketsInside, ContainerPolicy.LogsInside, DockerPolicy.StdioInside];
        string[] readOnly = [.. DockerPolicy.EtcFiles.Select(name => "/etc/" + name), ContainerPolicy.LauncherInside, ContainerPolicy.EgressInside];
        foreach (var path in own)
        {
            Demand(mounts, posture, path, "nosuid", "nodev");
        }

        foreach (var path in shared)
        {
            Demand(mounts, posture, path, "nosuid", "nodev", "noexec");
        }

        foreach (var path in readOnly)
        {
            Demand(mounts, posture, path, "ro");
        }

        if (mounts.LastOrDefault(mount => mount.MountPoint == "/sys")?.FileSystem != "tmpfs")
        {
            posture.Add("/sys is not masked");
        }

        HashSet<string> policy = [.. own, .. shared, .. readOnly];
        foreach (var stranger in mounts.Where(mount => !Tolerated.Contains(mount.MountPoint) && !policy.Contains(mount.MountPoint) && !mount.MountPoint.StartsWith("/sys/", StringComparison.Ordinal)))
        {
            posture.Add($"{stranger.MountPoint} is mounted ({stranger.FileSystem}) and should not be");
        }
    }

    private static void Demand(IReadOnlyList<MountEntry> mounts, ProcessPosture posture, string path, params string[] flags)
    {
        // The last one is on top.
        var found = mounts.LastOrDefault(mount => mount.MountPoint == path);
        if (found is null)
        {
            posture.Add($"{path} is not mounted");
        }
        else if (flags.Except(found.Options).ToList() is { Count: > 0 } missing)
        {
            posture.Add($"{path} is mounted as {found.FileSystem} ({string.Join(",", found.Options)}), without {string.Join(",", missing)}");
        }
    }
}
