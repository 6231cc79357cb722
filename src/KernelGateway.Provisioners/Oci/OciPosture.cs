using System.Globalization;
using KernelGateway.Core.Provisioning;

namespace KernelGateway.Provisioners.Oci;

/// <summary>Compares a process of a sandbox, as the kernel of the host shows it, with <see cref="OciPolicy"/>.</summary>
/// <remarks>A runtime that ignores a part of its configuration looks just like one that obeys, until this is read.</remarks>
internal sealed class OciPosture(OciProvisionerOptions options, OciSite site, OciSandbox sandbox, ResourceLimits limits)
{
    private static readonly string[] NamespaceLinks = ["user", "pid", "mnt", "net", "ipc", "uts", "cgroup"];

    /// <summary>What <c>maskedPaths</c> and the runtime itself may mount besides the policy's own mounts.</summary>
    private static readonly HashSet<string> Tolerated =
        ["/", "/dev/null", "/dev/zero", "/dev/full", "/dev/tty", "/dev/random", "/dev/urandom", .. OciPolicy.MaskedPaths, .. OciPolicy.ReadOnlyPaths];

    private readonly List<string> _deviations = [];

    /// <summary>All differences, each as a sentence without end; empty when the process is as it should be.</summary>
    /// <param name="pid">A live process of the sandbox.</param>
    /// <param name="oomScoreAdjust">900 for the first processes, 1000 for kernels.</param>
    internal IReadOnlyList<string> Deviations(int pid, int oomScoreAdjust)
    {
        _deviations.Clear();
        var proc = string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}");
        CheckStatus(File.ReadAllLines($"{proc}/status"));
        CheckNamespaces(proc);
        Expect("oom_score_adj", File.ReadAllText($"{proc}/oom_score_adj").Trim(), Text(oomScoreAdjust));
        foreach (var map in new[] { "uid_map", "gid_map" })
        {
            Expect(map, string.Join("; ", File.ReadAllLines($"{proc}/{map}").Select(Squeeze)), ExpectedMap());
        }

        CheckMounts(MountEntry.ParseAll(File.ReadAllText($"{proc}/mountinfo")).ToList());
        CheckDescriptors(proc);
        CheckLimits(File.ReadAllLines($"{proc}/limits"));
        CheckCgroup(File.ReadAllLines($"{proc}/cgroup"));
        var interfaces = File.ReadAllLines($"{proc}/net/dev").Skip(2).Select(line => line.Split(':')[0].Trim());
        Expect("network interfaces", string.Join(",", interfaces), "lo");
        return [.. _deviations];
    }

    private void CheckStatus(string[] lines)
    {
        var status = lines.Select(line => line.Split(':', 2)).ToDictionary(parts => parts[0], parts => Squeeze(parts[1]));
        var uid = Text(site.Slots.KernelUid(sandbox.Slot));
        var everyId = string.Join(' ', Enumerable.Repeat(uid, 4));
        Expect("Uid", status["Uid"], everyId);
        Expect("Gid", status["Gid"], everyId);
        Expect("Groups", status["Groups"], "");
        Expect("Umask", status["Umask"], "0077");
        Expect("NoNewPrivs", status["NoNewPrivs"], "1");
        Expect("Seccomp", status["Seccomp"], "2");
        foreach (var set in new[] { "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb" })
        {
            Expect(set, status[set], "0000000000000000");
        }
    }

    private void CheckNamespaces(string proc)
    {
        foreach (var name in NamespaceLinks)
        {
            // LinkTarget of these would be looked up as a path; what counts is that the text differs.
            if (new FileInfo($"{proc}/ns/{name}").LinkTarget == new FileInfo($"/proc/self/ns/{name}").LinkTarget)
            {
                _deviations.Add($"the {name} namespace is the host's");
            }
        }
    }

    private void CheckMounts(List<MountEntry> mounts)
    {
        var root = mounts.LastOrDefault(mount => mount.MountPoint == "/");
        if (root is null || OciPolicy.RootFlags.Except(root.Options).Any() || (options.DiskQuota && root.FileSystem != SandboxDisks.FileSystem))
        {
            _deviations.Add($"/ is {root?.FileSystem} ({string.Join(",", root?.Options ?? [])}), not a disk of its own with {string.Join(",", OciPolicy.RootFlags)}");
        }

        CheckMasks(mounts);
        var policy = site.MountsOf(sandbox);
        foreach (var wanted in policy)
        {
            // The last one is on top.
            var found = mounts.LastOrDefault(mount => mount.MountPoint == wanted.Destination);
            if (found is null)
            {
                _deviations.Add($"{wanted.Destination} is not mounted");
                continue;
            }

            CheckSize(wanted, found);
            var missing = wanted.Flags.Except(found.Options).ToList();
            if (missing.Count > 0 || (wanted.Type != "bind" && found.FileSystem != wanted.Type))
            {
                _deviations.Add($"{wanted.Destination} is mounted as {found.FileSystem} ({string.Join(",", found.Options)}), without {string.Join(",", missing)}");
            }
        }

        foreach (var stranger in mounts.Where(mount => !Tolerated.Contains(mount.MountPoint) && policy.All(wanted => wanted.Destination != mount.MountPoint)))
        {
            _deviations.Add($"{stranger.MountPoint} is mounted ({stranger.FileSystem}) and should not be");
        }
    }

    private void CheckSize(PolicyMount wanted, MountEntry found)
    {
        foreach (var option in wanted.MakeOptions.Where(option => option.StartsWith("size=", StringComparison.Ordinal) || option.StartsWith("nr_inodes=", StringComparison.Ordinal)))
        {
            var name = option[..(option.IndexOf('=', StringComparison.Ordinal) + 1)];
            var actual = found.SuperOptions.FirstOrDefault(candidate => candidate.StartsWith(name, StringComparison.Ordinal)) ?? $"{name}0";
            // The kernel of the host rounds a size up to a page.
            var more = Number(actual[name.Length..]) - Number(option[name.Length..]);
            if (more < 0 || more >= (name == "size=" ? Environment.SystemPageSize : 1))
            {
                _deviations.Add($"{wanted.Destination} has {actual} instead of {option}");
            }
        }
    }

    /// <summary>What <c>maskedPaths</c> covers, where the host has it, and what is to be read-only.</summary>
    private void CheckMasks(List<MountEntry> mounts)
    {
        foreach (var path in OciPolicy.MaskedPaths.Where(path => path.StartsWith("/proc/", StringComparison.Ordinal) && Path.Exists(path)))
        {
            if (mounts.All(mount => mount.MountPoint != path))
            {
                _deviations.Add($"{path} is not masked");
            }
        }

        foreach (var path in OciPolicy.ReadOnlyPaths)
        {
            if (mounts.LastOrDefault(mount => mount.MountPoint == path)?.Options.Contains("ro") != true)
            {
                _deviations.Add($"{path} is not read-only");
            }
        }
    }

    /// <summary>A descriptor that a runtime forgot to close is a way out (CVE-2024-21626).</summary>
    private void CheckDescriptors(string proc)
    {
        foreach (var target in Directory.EnumerateFileSystemEntries($"{proc}/fd").Select(fd => new FileInfo(fd).LinkTarget).OfType<string>())
        {
            if (target != sandbox.Folders.Stdio && (target.StartsWith("/sys/fs/cgroup", StringComparison.Ordinal) || target.StartsWith(options.StateFolder + "/", StringComparison.Ordinal)))
            {
                _deviations.Add($"a descriptor leads to the host's {target}");
            }
        }
    }

    private void CheckLimits(string[] lines)
    {
        var labels = new Dictionary<string, string>
        {
            ["NOFILE"] = "Max open files",
            ["CORE"] = "Max core file size",
            ["FSIZE"] = "Max file size",
            ["NPROC"] = "Max processes",
            ["MEMLOCK"] = "Max locked memory",
            ["MSGQUEUE"] = "Max msgqueue size",
            ["SIGPENDING"] = "Max pending signals",
            ["STACK"] = "Max stack size",
            ["NICE"] = "Max nice priority",
            ["RTPRIO"] = "Max realtime priority",
            ["LOCKS"] = "Max file locks",
        };
        foreach (var (name, soft, hard) in OciPolicy.ResourceLimits(options, limits.Pids))
        {
            var line = lines.FirstOrDefault(candidate => candidate.StartsWith(labels[name], StringComparison.Ordinal)) ?? "";
            var values = Squeeze(line.Length > labels[name].Length ? line[labels[name].Length..] : "").Split(' ');
            Expect(labels[name], string.Join(' ', values.Take(2)), $"{soft} {hard}");
        }
    }

    private void CheckCgroup(string[] lines)
    {
        var group = sandbox.Cgroup.Group;
        foreach (var controller in CgroupLayout.Required)
        {
            // "4:memory:/kernelgateway/x" with version 1, "0::/kernelgateway/x" with version 2.
            var path = lines.Select(line => line.Split(':', 3))
                .FirstOrDefault(parts => site.Layout.Version == 2 ? parts[1].Length == 0 : parts[1].Split(',').Contains(controller))?[2];
            Expect($"{controller} control group", path ?? "", group);
        }

        var memory = Text(limits.MemoryBytes / Environment.SystemPageSize * Environment.SystemPageSize);
        var quota = Text(CgroupLimits.QuotaOf(limits));
        var period = Text(CgroupLimits.CpuPeriod);
        Expect("pids.max", Read("pids", "pids.max"), Text(limits.Pids));
        if (site.Layout.Version == 2)
        {
            Expect("memory.max", Read("memory", "memory.max"), memory);
            // Missing where the kernel of the host was built without swap.
            Expect("memory.swap.max", sandbox.Cgroup.Read("memory", "memory.swap.max") ?? "0", "0");
            Expect("memory.oom.group", Read("memory", "memory.oom.group"), "1");
            Expect("cpu.max", Read("cpu", "cpu.max"), $"{quota} {period}");
            return;
        }

        Expect("memory.limit_in_bytes", Read("memory", "memory.limit_in_bytes"), memory);
        if (site.Layout.LimitsSwap)
        {
            Expect("memory.memsw.limit_in_bytes", Read("memory", "memory.memsw.limit_in_bytes"), memory);
        }

        // Runtimes add the harmless character devices (null, zero, random …) and the making of nodes, which needs a capability.
        var devices = sandbox.Cgroup.ReadAll("devices", "devices.list") ?? [];
        if (devices.Any(line => line.StartsWith('a') || (line.Split(' ') is [var kind, var number, var access] && (kind == "b" || number == "*:*") && access.AsSpan().ContainsAny('r', 'w'))))
        {
            _deviations.Add($"devices.list allows {string.Join(", ", devices)}");
        }

        Expect("cpu.cfs_quota_us", Read("cpu", "cpu.cfs_quota_us"), quota);
        Expect("cpu.cfs_period_us", Read("cpu", "cpu.cfs_period_us"), period);
    }

    private string Read(string controller, string file) => sandbox.Cgroup.Read(controller, file) ?? "(none)";

    private string ExpectedMap() =>
        $"0 {site.Slots.RootUid(sandbox.Slot)} 1; {SharedFiles.KernelUid} {site.Slots.KernelUid(sandbox.Slot)} 1; {SharedFiles.NobodyUid} {site.Slots.NobodyUid(sandbox.Slot)} 1";

    private void Expect(string what, string found, string wanted)
    {
        if (found != wanted)
        {
            _deviations.Add($"{what} is '{found}' instead of '{wanted}'");
        }
    }

    private static long Number(string text) => long.Parse(text.TrimEnd('k'), CultureInfo.InvariantCulture) * (text.EndsWith('k') ? 1024 : 1);

    private static string Squeeze(string text) => string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));

    private static string Text(IFormattable value) => value.ToString(null, CultureInfo.InvariantCulture);
}
