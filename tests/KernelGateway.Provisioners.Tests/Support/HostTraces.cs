using System.Globalization;

namespace KernelGateway.Provisioners.Tests.Support;

/// <summary>What sandboxes of one state folder have left on the host: processes, mounts, control groups, folders.</summary>
internal static class HostTraces
{
    /// <summary>Everything found, one line each; empty when nothing is left.</summary>
    internal static IReadOnlyList<string> Find(string state, string cgroupParent)
    {
        var found = new List<string>();
        found.AddRange(Processes(state).Select(pid => $"process {pid}: {CommandLine(pid)}"));
        found.AddRange(File.ReadAllLines("/proc/self/mountinfo").Where(line => line.Contains(state, StringComparison.Ordinal)).Select(line => $"mount {line}"));
        // One whose file is removed goes with the last client that holds a folder on it.
        found.AddRange(LoopDevices(state).Where(line => !line.EndsWith("(deleted)", StringComparison.Ordinal)).Select(line => $"loop device {line}"));
        found.AddRange(Groups(cgroupParent).Select(folder => $"control group {folder}"));
        foreach (var folder in new[] { "sandboxes", "runtime", "slots", "places", "s" }.Select(name => Path.Combine(state, name)).Where(Directory.Exists))
        {
            found.AddRange(Directory.EnumerateFileSystemEntries(folder).Select(path => $"file {path}"));
        }

        return found;
    }

    /// <summary>Processes whose command line names the state folder, or whose root is below it.</summary>
    internal static IEnumerable<int> Processes(string state) => Directory.EnumerateDirectories("/proc")
        .Select(folder => int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out var pid) ? pid : 0)
        .Where(pid => pid > 0 && pid != Environment.ProcessId && (CommandLine(pid).Contains(state, StringComparison.Ordinal) || Environ(pid).Contains(state, StringComparison.Ordinal)));

    /// <summary>Loop devices whose file lies below a folder, or lay there.</summary>
    internal static IEnumerable<string> LoopDevices(string folder) => Directory.EnumerateDirectories("/sys/block", "loop*")
        .Select(device => $"{Path.GetFileName(device)}: {Read(Path.Combine(device, "loop", "backing_file")).Trim()}")
        .Where(line => line.Contains(folder, StringComparison.Ordinal));

    internal static int FileDescriptors() => Directory.EnumerateFileSystemEntries("/proc/self/fd").Count();

    /// <summary>Control groups below a parent, in all trees.</summary>
    internal static IEnumerable<string> Groups(string parent) => Directory.EnumerateDirectories("/sys/fs/cgroup")
        .Prepend("/sys/fs/cgroup")
        .Select(tree => Path.Join(tree, parent))
        .Where(Directory.Exists)
        .SelectMany(folder => Directory.EnumerateDirectories(folder));

    /// <summary>Removes the parent that tests used. Only when empty.</summary>
    internal static void RemoveGroups(string parent)
    {
        foreach (var folder in Directory.EnumerateDirectories("/sys/fs/cgroup").Prepend("/sys/fs/cgroup").Select(tree => Path.Join(tree, parent)).Where(Directory.Exists))
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

    private static string CommandLine(int pid) => Read($"/proc/{pid}/cmdline");

    private static string Environ(int pid) => Read($"/proc/{pid}/environ");

    private static string Read(string path)
    {
        try
        {
            return File.ReadAllText(path).Replace('\0', ' ');
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
