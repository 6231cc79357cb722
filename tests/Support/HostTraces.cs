namespace KernelGateway.Testing;

/// <summary>What sandboxes of one state folder have left on the host: processes, mounts, control groups, folders.</summary>
internal static class HostTraces
{
    /// <summary>Everything found, one line each; empty when nothing is left.</summary>
    public static IReadOnlyList<string> Find(string state, string cgroupParent) =>
    [
        .. Processes(state).Select(pid => $"process {pid}: {HostProcesses.CommandLineOf(pid)}"),
        .. Mounts(state),
        // One whose file is removed goes with the last client that holds a folder on it.
        .. LoopDevices(state).Where(line => !line.EndsWith("(deleted)", StringComparison.Ordinal)).Select(line => $"loop device {line}"),
        .. Groups(cgroupParent).Select(folder => $"control group {folder}"),
        .. Files(state),
    ];

    /// <summary>Processes whose command line or environment names the state folder.</summary>
    public static IEnumerable<int> Processes(string state) => HostProcesses.All
        .Where(pid => pid != Environment.ProcessId
            && (HostProcesses.CommandLineOf(pid).Contains(state, StringComparison.Ordinal) || HostProcesses.EnvironmentOf(pid).Contains(state, StringComparison.Ordinal)));

    /// <summary>Mounts that have to do with a folder, one line each.</summary>
    public static IEnumerable<string> Mounts(string folder) =>
        File.ReadAllLines("/proc/self/mountinfo").Where(line => line.Contains(folder, StringComparison.Ordinal)).Select(line => $"mount {line}");

    /// <summary>What places have below the state folder, one line each.</summary>
    public static IEnumerable<string> Files(string state) => new[] { "sandboxes", "runtime", "slots", "places", "s" }
        .Select(name => Path.Combine(state, name))
        .Where(Directory.Exists)
        .SelectMany(Directory.EnumerateFileSystemEntries)
        .Select(path => $"file {path}");

    /// <summary>Loop devices whose file lies below a folder, or lay there.</summary>
    public static IEnumerable<string> LoopDevices(string folder) => Directory.EnumerateDirectories("/sys/block", "loop*")
        .Select(device => $"{Path.GetFileName(device)}: {BackingFileOf(device)}")
        .Where(line => line.Contains(folder, StringComparison.Ordinal));

    public static int FileDescriptors() => Directory.EnumerateFileSystemEntries("/proc/self/fd").Count();

    /// <summary>Control groups below a parent, in all trees.</summary>
    public static IEnumerable<string> Groups(string parent) => Parents(parent).SelectMany(Directory.EnumerateDirectories);

    /// <summary>Removes the parent that tests used. Only when empty.</summary>
    public static void RemoveGroups(string parent)
    {
        foreach (var folder in Parents(parent).ToList())
        {
            for (var tries = 0; ; tries++)
            {
                try
                {
                    Directory.Delete(folder);
                    break;
                }
                catch (IOException) when (tries < 100)
                {
                    // Busy for a moment after its last child has gone; there is no event for "not busy any more".
                    Thread.Sleep(20);
                }
            }
        }
    }

    private static IEnumerable<string> Parents(string parent) => Directory.EnumerateDirectories("/sys/fs/cgroup")
        .Prepend("/sys/fs/cgroup")
        .Select(tree => Path.Join(tree, parent))
        .Where(Directory.Exists);

    private static string BackingFileOf(string device)
    {
        try
        {
            return File.ReadAllText(Path.Combine(device, "loop", "backing_file")).Trim();
        }
        catch (IOException)
        {
            return ""; // It has none.
        }
    }
}
