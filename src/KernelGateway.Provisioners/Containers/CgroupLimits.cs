using System.Globalization;
using System.Text.Json.Nodes;
using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Native;

namespace KernelGateway.Provisioners.Containers;

/// <summary>The control group of one sandbox: its limits for the runtime, the count of out-of-memory kills, and its removal.</summary>
internal sealed class CgroupLimits(CgroupLayout layout, string group, TimeProvider time)
{
    internal const int CpuPeriod = 100_000;

    private static readonly TimeSpan RemovalStep = TimeSpan.FromMilliseconds(2);

    /// <summary>Its path in every controller's tree, as given to the runtime, which makes it and its parents.</summary>
    internal string Group { get; } = Checked(group);

    /// <summary><c>linux.resources</c> of the OCI configuration.</summary>
    internal JsonObject ToResources(ResourceLimits limits)
    {
        var memory = new JsonObject { ["limit"] = limits.MemoryBytes };
        if (layout.LimitsSwap)
        {
            // In the specification "swap" is memory and swap together.
            memory["swap"] = limits.MemoryBytes;
        }

        var resources = new JsonObject
        {
            ["devices"] = new JsonArray(new JsonObject { ["allow"] = false, ["access"] = "rwm" }),
            ["memory"] = memory,
            ["pids"] = new JsonObject { ["limit"] = limits.Pids },
            ["cpu"] = new JsonObject { ["shares"] = 256, ["period"] = CpuPeriod, ["quota"] = QuotaOf(limits) },
        };
        if (layout.Version == 1)
        {
            memory["swappiness"] = 0;
            memory["disableOOMKiller"] = false;
        }
        else
        {
            // A sandbox out of memory ends as a whole: half of it alive answers nobody.
            resources["unified"] = new JsonObject { ["memory.oom.group"] = "1" };
        }

        return resources;
    }

    internal static long QuotaOf(ResourceLimits limits) => Math.Max(1_000, (long)(limits.CpuCores * CpuPeriod));

    /// <summary>How often the kernel of the host has ended a process here for want of memory. 0 when the group is gone.</summary>
    internal long OomKills()
    {
        var file = layout.Version == 1 ? "memory.oom_control" : "memory.events";
        foreach (var line in ReadLines("memory", file))
        {
            if (line.StartsWith("oom_kill ", StringComparison.Ordinal)
                && long.TryParse(line.AsSpan(9), NumberStyles.None, CultureInfo.InvariantCulture, out var count))
            {
                return count;
            }
        }

        return 0;
    }

    /// <summary>One value of the group, for example <c>pids.max</c>; <c>null</c> when there is none.</summary>
    internal string? Read(string controller, string file) => ReadLines(controller, file).FirstOrDefault();

    /// <summary>All lines of a value; <c>null</c> when the host has no such controller.</summary>
    internal IReadOnlyList<string>? ReadAll(string controller, string file) => layout.Controllers.ContainsKey(controller) ? ReadLines(controller, file) : null;

    /// <summary>All processes of the sandbox, by their numbers on the host.</summary>
    internal IReadOnlyList<int> Processes() => [.. Folders()
        .SelectMany(folder => Nested(folder).Prepend(folder))
        .SelectMany(folder => ReadLines(Path.Combine(folder, "cgroup.procs")))
        .Select(line => int.Parse(line, CultureInfo.InvariantCulture))
        .Distinct()];

    /// <summary>Sends SIGKILL to all processes of the sandbox.</summary>
    internal void KillAll()
    {
        foreach (var pid in Processes())
        {
            using var process = WatchedProcess.Open(pid);
            process?.Signal(LibC.SigKill);
        }
    }

    /// <summary>Kills whatever is left in the group and removes it. Nothing happens when it does not exist.</summary>
    /// <exception cref="IOException">It could not be removed in time.</exception>
    internal async Task RemoveAsync(TimeSpan within)
    {
        var started = time.GetTimestamp();
        while (true)
        {
            KillAll();
            var left = Folders().Where(folder => !TryRemove(folder)).ToList();
            if (left.Count == 0)
            {
                return;
            }

            if (time.GetElapsedTime(started) > within)
            {
                throw new IOException($"The control group {left[0]} could not be removed: processes {string.Join(", ", Processes())} are still in it.");
            }

            // Busy for a moment after its last process has gone; there is no event for "not busy any more".
            await Task.Delay(RemovalStep, time, CancellationToken.None);
        }
    }

    /// <summary>Never the root of a tree: everything in a group is killed when it is removed.</summary>
    private static string Checked(string group)
    {
        var parts = group.Split('/', StringSplitOptions.RemoveEmptyEntries);
        return parts.Length >= 2 && !parts.Contains("..") && !parts.Contains(".")
            ? group
            : throw new ArgumentException($"'{group}' is no group of a sandbox.", nameof(group));
    }

    private IEnumerable<string> Folders() => layout.Trees
        .Select(mount => Path.Join(mount, Group))
        .Where(Directory.Exists);

    private static string[] Nested(string folder)
    {
        try
        {
            return Directory.GetDirectories(folder, "*", SearchOption.AllDirectories);
        }
        catch (DirectoryNotFoundException)
        {
            // Gone meanwhile: the runtime removes groups too.
            return [];
        }
    }

    private static bool TryRemove(string folder)
    {
        try
        {
            // Deepest first; files of a control group go with their folder, so a recursive delete would fail on them.
            foreach (var nested in Nested(folder).OrderByDescending(path => path.Length))
            {
                Directory.Delete(nested);
            }

            Directory.Delete(folder);
            return true;
        }
        catch (DirectoryNotFoundException)
        {
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }

    private string[] ReadLines(string controller, string file) => ReadLines(Path.Combine(layout.FolderOf(controller, Group), file));

    private static string[] ReadLines(string path)
    {
        try
        {
            return File.ReadAllLines(path);
        }
        catch (IOException)
        {
            return [];
        }
    }
}
