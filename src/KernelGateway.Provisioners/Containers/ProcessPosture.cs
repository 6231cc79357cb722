using System.Globalization;
using KernelGateway.Core.Provisioning;

namespace KernelGateway.Provisioners.Containers;

/// <summary>What the kernel of the host says of one process of a sandbox, compared with what a policy wants; the same questions for every variant with containers.</summary>
/// <param name="pid">A live process of the sandbox.</param>
internal sealed class ProcessPosture(int pid)
{
    private static readonly Dictionary<string, string> LimitLabels = new()
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

    private readonly string _proc = string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}");
    private readonly List<string> _deviations = [];

    /// <summary>All differences so far, each as a sentence without end.</summary>
    internal IReadOnlyList<string> Deviations => [.. _deviations];

    internal void Add(string deviation) => _deviations.Add(deviation);

    internal void Expect(string what, string found, string wanted)
    {
        if (found != wanted)
        {
            _deviations.Add($"{what} is '{found}' instead of '{wanted}'");
        }
    }

    internal string[] Lines(string file) => File.ReadAllLines($"{_proc}/{file}");

    internal IReadOnlyList<MountEntry> Mounts() => [.. MountEntry.ParseAll(File.ReadAllText($"{_proc}/mountinfo"))];

    internal IEnumerable<string> Descriptors() => Directory.EnumerateFileSystemEntries($"{_proc}/fd").Select(fd => new FileInfo(fd).LinkTarget).OfType<string>();

    /// <summary>Who it is, and that it has no power and can get none.</summary>
    /// <param name="uid">All its ids of user and group, on the host.</param>
    /// <param name="groups">The supplementary groups that may be.</param>
    /// <param name="oomScoreAdjust">How readily it is ended for want of memory.</param>
    /// <param name="umask">Its umask.</param>
    internal void CheckRights(uint uid, string[] groups, int oomScoreAdjust, string umask = "0077")
    {
        var status = Lines("status").Select(line => line.Split(':', 2)).ToDictionary(parts => parts[0], parts => Squeeze(parts[1]));
        var everyId = string.Join(' ', Enumerable.Repeat(Text(uid), 4));
        Expect("Uid", status["Uid"], everyId);
        Expect("Gid", status["Gid"], everyId);
        Expect("Groups", groups.Contains(status["Groups"]) ? "" : status["Groups"], "");
        Expect("Umask", status["Umask"], umask);
        Expect("NoNewPrivs", status["NoNewPrivs"], "1");
        Expect("Seccomp", status["Seccomp"], "2");
        foreach (var set in new[] { "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb" })
        {
            Expect(set, status[set], "0000000000000000");
        }

        Expect("oom_score_adj", Lines("oom_score_adj")[0].Trim(), Text(oomScoreAdjust));
    }

    internal void CheckNamespaces(IEnumerable<string> names)
    {
        foreach (var name in names)
        {
            // LinkTarget of these would be looked up as a path; what counts is that the text differs.
            if (new FileInfo($"{_proc}/ns/{name}").LinkTarget == new FileInfo($"/proc/self/ns/{name}").LinkTarget)
            {
                _deviations.Add($"the {name} namespace is the host's");
            }
        }

        var interfaces = Lines("net/dev").Skip(2).Select(line => line.Split(':')[0].Trim());
        Expect("network interfaces", string.Join(",", interfaces), "lo");
    }

    /// <summary>What is to be covered, where the host has it, and what is to be read-only.</summary>
    internal void CheckMasks(IReadOnlyList<MountEntry> mounts)
    {
        foreach (var path in ContainerPolicy.MaskedPaths.Where(path => path.StartsWith("/proc/", StringComparison.Ordinal) && Path.Exists(path)))
        {
            if (mounts.All(mount => mount.MountPoint != path))
            {
                _deviations.Add($"{path} is not masked");
            }
        }

        foreach (var path in ContainerPolicy.ReadOnlyPaths)
        {
            if (mounts.LastOrDefault(mount => mount.MountPoint == path)?.Options.Contains("ro") != true)
            {
                _deviations.Add($"{path} is not read-only");
            }
        }
    }

    internal void CheckResourceLimits(long maxFileBytes, int pids)
    {
        var lines = Lines("limits");
        foreach (var (name, soft, hard) in ContainerPolicy.ResourceLimits(maxFileBytes, pids))
        {
            var label = LimitLabels[name];
            var line = lines.FirstOrDefault(candidate => candidate.StartsWith(label, StringComparison.Ordinal)) ?? "";
            var values = Squeeze(line.Length > label.Length ? line[label.Length..] : "").Split(' ');
            Expect(label, string.Join(' ', values.Take(2)), $"{soft} {hard}");
        }
    }

    /// <summary>That it is in its group, and that the group has the limits.</summary>
    internal void CheckCgroup(CgroupLayout layout, CgroupLimits cgroup, ResourceLimits limits)
    {
        foreach (var controller in CgroupLayout.Required)
        {
            Expect($"{controller} control group", layout.GroupIn(Lines("cgroup"), controller) ?? "", cgroup.Group);
        }

        string Read(string controller, string file) => cgroup.Read(controller, file) ?? "(none)";
        var memory = Text(limits.MemoryBytes / Environment.SystemPageSize * Environment.SystemPageSize);
        var quota = Text(CgroupLimits.QuotaOf(limits));
        var period = Text(CgroupLimits.CpuPeriod);
        Expect("pids.max", Read("pids", "pids.max"), Text(limits.Pids));
        if (layout.Version == 2)
        {
            Expect("memory.max", Read("memory", "memory.max"), memory);
            // Missing where the kernel of the host was built without swap.
            Expect("memory.swap.max", cgroup.Read("memory", "memory.swap.max") ?? "0", "0");
            Expect("cpu.max", Read("cpu", "cpu.max"), $"{quota} {period}");
            return;
        }

        Expect("memory.limit_in_bytes", Read("memory", "memory.limit_in_bytes"), memory);
        if (layout.LimitsSwap)
        {
            Expect("memory.memsw.limit_in_bytes", Read("memory", "memory.memsw.limit_in_bytes"), memory);
        }

        Expect("cpu.cfs_quota_us", Read("cpu", "cpu.cfs_quota_us"), quota);
        Expect("cpu.cfs_period_us", Read("cpu", "cpu.cfs_period_us"), period);
    }

    internal static string Squeeze(string text) => string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));

    private static string Text(IFormattable value) => value.ToString(null, CultureInfo.InvariantCulture);
}
