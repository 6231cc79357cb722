using System.Globalization;
using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Containers;

namespace KernelGateway.Provisioners.Oci;

/// <summary>Compares a process of a sandbox, as the kernel of the host shows it, with <see cref="OciPolicy"/>.</summary>
/// <remarks>A runtime that ignores a part of its configuration looks just like one that obeys, until this is read.</remarks>
internal sealed class OciPosture(OciProvisionerOptions options, OciSite site, OciSandbox sandbox, ResourceLimits limits)
{
    private static readonly string[] NamespaceLinks = ["user", "pid", "mnt", "net", "ipc", "uts", "cgroup"];

    /// <summary>What <c>maskedPaths</c> and the runtime itself may mount besides the policy's own mounts.</summary>
    private static readonly HashSet<string> Tolerated =
        ["/", "/dev/null", "/dev/zero", "/dev/full", "/dev/tty", "/dev/random", "/dev/urandom", .. ContainerPolicy.MaskedPaths, .. ContainerPolicy.ReadOnlyPaths];

    /// <summary>All differences, each as a sentence without end; empty when the process is as it should be.</summary>
    /// <param name="pid">A live process of the sandbox.</param>
    /// <param name="oomScoreAdjust">900 for the first processes, 1000 for kernels.</param>
    internal IReadOnlyList<string> Deviations(int pid, int oomScoreAdjust)
    {
        var posture = new ProcessPosture(pid);
        posture.CheckRights(site.Ground.Slots.KernelUid(sandbox.Slot), [""], oomScoreAdjust);
        posture.CheckNamespaces(NamespaceLinks);
        foreach (var map in new[] { "uid_map", "gid_map" })
        {
            posture.Expect(map, string.Join("; ", posture.Lines(map).Select(ProcessPosture.Squeeze)), ExpectedMap());
        }

        CheckMounts(posture);
        CheckDescriptors(posture);
        posture.CheckResourceLimits(options.MaxFileBytes, limits.Pids);
        posture.CheckCgroup(site.Ground.Layout, sandbox.Cgroup, limits);
        CheckCgroup(posture);
        return posture.Deviations;
    }

    private void CheckMounts(ProcessPosture posture)
    {
        var mounts = posture.Mounts();
        var root = mounts.LastOrDefault(mount => mount.MountPoint == "/");
        if (root is null || OciPolicy.RootFlags.Except(root.Options).Any() || (options.DiskQuota && root.FileSystem != SandboxDisks.FileSystem))
        {
            posture.Add($"/ is {root?.FileSystem} ({string.Join(",", root?.Options ?? [])}), not a disk of its own with {string.Join(",", OciPolicy.RootFlags)}");
        }

        posture.CheckMasks(mounts);
        var policy = site.MountsOf(sandbox);
        foreach (var wanted in policy)
        {
            // The last one is on top.
            var found = mounts.LastOrDefault(mount => mount.MountPoint == wanted.Destination);
            if (found is null)
            {
                posture.Add($"{wanted.Destination} is not mounted");
                continue;
            }

            CheckSize(posture, wanted, found);
            var missing = wanted.Flags.Except(found.Options).ToList();
            if (missing.Count > 0 || (wanted.Type != "bind" && found.FileSystem != wanted.Type))
            {
                posture.Add($"{wanted.Destination} is mounted as {found.FileSystem} ({string.Join(",", found.Options)}), without {string.Join(",", missing)}");
            }
        }

        foreach (var stranger in mounts.Where(mount => !Tolerated.Contains(mount.MountPoint) && policy.All(wanted => wanted.Destination != mount.MountPoint)))
        {
            posture.Add($"{stranger.MountPoint} is mounted ({stranger.FileSystem}) and should not be");
        }
    }

    private static void CheckSize(ProcessPosture posture, PolicyMount wanted, MountEntry found)
    {
        foreach (var option in wanted.MakeOptions.Where(option => option.StartsWith("size=", StringComparison.Ordinal) || option.StartsWith("nr_inodes=", StringComparison.Ordinal)))
        {
            var name = option[..(option.IndexOf('=', StringComparison.Ordinal) + 1)];
            var actual = found.SuperOptions.FirstOrDefault(candidate => candidate.StartsWith(name, StringComparison.Ordinal)) ?? $"{name}0";
            // The kernel of the host rounds a size up to a page.
            var more = Number(actual[name.Length..]) - Number(option[name.Length..]);
            if (more < 0 || more >= (name == "size=" ? Environment.SystemPageSize : 1))
            {
                posture.Add($"{wanted.Destination} has {actual} instead of {option}");
            }
        }
    }

    /// <summary>A descriptor that a runtime forgot to close is a way out (CVE-2024-21626).</summary>
    private void CheckDescriptors(ProcessPosture posture)
    {
        foreach (var target in posture.Descriptors())
        {
            if (target != sandbox.Folders.Stdio && (target.StartsWith("/sys/fs/cgroup", StringComparison.Ordinal) || target.StartsWith(options.StateFolder + "/", StringComparison.Ordinal)))
            {
                posture.Add($"a descriptor leads to the host's {target}");
            }
        }
    }

    private void CheckCgroup(ProcessPosture posture)
    {
        if (site.Ground.Layout.Version == 2)
        {
            posture.Expect("memory.oom.group", sandbox.Cgroup.Read("memory", "memory.oom.group") ?? "(none)", "1");
            return;
        }

        // Runtimes add the harmless character devices (null, zero, random …) and the making of nodes, which needs a capability.
        var devices = sandbox.Cgroup.ReadAll("devices", "devices.list") ?? [];
        if (devices.Any(line => line.StartsWith('a') || (line.Split(' ') is [var kind, var number, var access] && (kind == "b" || number == "*:*") && access.AsSpan().ContainsAny('r', 'w'))))
        {
            posture.Add($"devices.list allows {string.Join(", ", devices)}");
        }
    }

    private string ExpectedMap() =>
        $"0 {site.Ground.Slots.RootUid(sandbox.Slot)} 1; {SharedFiles.KernelUid} {site.Ground.Slots.KernelUid(sandbox.Slot)} 1; {SharedFiles.NobodyUid} {site.Ground.Slots.NobodyUid(sandbox.Slot)} 1";

    private static long Number(string text) => long.Parse(text.TrimEnd('k'), CultureInfo.InvariantCulture) * (text.EndsWith('k') ? 1024 : 1);
}
