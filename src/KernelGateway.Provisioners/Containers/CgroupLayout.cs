namespace KernelGateway.Provisioners.Containers;

/// <summary>How this host mounts its control groups: version 1, version 2, or both ("hybrid", in which version 1 has the controllers).</summary>
/// <param name="Version">1 or 2; 0 when none is mounted.</param>
/// <param name="Controllers">Mount point by controller name; with version 2 the same one for each.</param>
/// <param name="Trees">All mount points; runtimes make a sandbox's group in each, those without a required controller too.</param>
internal sealed record CgroupLayout(int Version, IReadOnlyDictionary<string, string> Controllers, IReadOnlyList<string> Trees)
{
    /// <summary>What a sandbox cannot do without.</summary>
    internal static readonly IReadOnlyList<string> Required = ["memory", "pids", "cpu"];

    /// <summary>True when version 1 has the controllers and a tree of version 2 is mounted as well.</summary>
    internal bool IsHybrid { get; init; }

    /// <summary>The required controllers that this host does not have.</summary>
    internal IEnumerable<string> Missing => Required.Where(name => !Controllers.ContainsKey(name));

    /// <summary>True when memory and swap can be limited together. Version 1 needs the boot option <c>swapaccount=1</c> on some kernels.</summary>
    internal bool LimitsSwap => Version == 2
        || (Controllers.TryGetValue("memory", out var mount) && File.Exists(Path.Combine(mount, "memory.memsw.limit_in_bytes")));

    internal static CgroupLayout Read() => Parse(File.ReadAllText("/proc/self/mountinfo"), ReadControllers);

    /// <param name="mountInfo">Text of a <c>/proc/PID/mountinfo</c>.</param>
    /// <param name="unifiedControllers">The controllers that the version 2 tree at a mount point offers.</param>
    internal static CgroupLayout Parse(string mountInfo, Func<string, IEnumerable<string>> unifiedControllers)
    {
        var legacy = new Dictionary<string, string>(StringComparer.Ordinal);
        string? unified = null;
        foreach (var mount in MountEntry.ParseAll(mountInfo))
        {
            if (mount.FileSystem == "cgroup")
            {
                foreach (var option in mount.SuperOptions)
                {
                    // Mounted twice: the first is the one that runtimes use.
                    legacy.TryAdd(option, mount.MountPoint);
                }
            }
            else if (mount.FileSystem == "cgroup2")
            {
                unified ??= mount.MountPoint;
            }
        }

        List<string> trees = [.. legacy.Values.Distinct()];
        if (unified is not null)
        {
            trees.Add(unified);
        }

        if (legacy.ContainsKey("memory"))
        {
            return new CgroupLayout(1, legacy, trees) { IsHybrid = unified is not null };
        }

        return unified is null
            ? new CgroupLayout(0, new Dictionary<string, string>(), [])
            : new CgroupLayout(2, unifiedControllers(unified).ToDictionary(name => name, _ => unified), trees);
    }

    /// <summary>The folder of a group in a controller's tree.</summary>
    /// <param name="controller">For example <c>memory</c>.</param>
    /// <param name="group">The group as in <c>cgroupsPath</c>, for example <c>/kernelgateway/abc</c>.</param>
    internal string FolderOf(string controller, string group) => Path.Join(Controllers[controller], group);

    /// <summary>The group that a process is in; <c>null</c> when its lines name none.</summary>
    /// <param name="lines">Of <c>/proc/PID/cgroup</c>: "4:memory:/kernelgateway/x" with version 1, "0::/kernelgateway/x" with version 2.</param>
    /// <param name="controller">For example <c>memory</c>.</param>
    internal string? GroupIn(IEnumerable<string> lines, string controller) => lines.Select(line => line.Split(':', 3))
        .FirstOrDefault(parts => parts.Length == 3 && (Version == 2 ? parts[1].Length == 0 : parts[1].Split(',').Contains(controller)))?[2];

    private static string[] ReadControllers(string mountPoint)
    {
        try
        {
            return File.ReadAllText(Path.Combine(mountPoint, "cgroup.controllers")).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        }
        catch (IOException)
        {
            return [];
        }
    }
}
