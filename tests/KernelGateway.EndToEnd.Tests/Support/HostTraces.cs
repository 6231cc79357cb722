using System.Globalization;

namespace KernelGateway.EndToEnd.Tests.Support;

/// <summary>What sandboxes of one gateway have on the host. The gateway must have ids and a control group of its own, for others may run beside it.</summary>
internal sealed class HostTraces(GatewayProcess gateway, uint uidBase, string cgroupParent)
{
    private const uint Uids = 4 * 4096;

    private string State => Path.Combine(gateway.DataFolder, "hosts", "local");

    /// <summary>Everything found, one line each; empty when nothing is left.</summary>
    public IReadOnlyList<string> Find() =>
    [
        .. Processes().Select(pid => $"process {pid}, {Status(pid, "State")}, child of {Status(pid, "PPid")}: {ProcessEnds.CommandLineOf(pid)}"),
        .. File.ReadAllLines("/proc/self/mountinfo").Where(line => line.Contains(gateway.DataFolder, StringComparison.Ordinal)).Select(line => $"mount {line}"),
        .. File.ReadAllLines("/proc/net/unix").Where(line => line.Contains(gateway.DataFolder, StringComparison.Ordinal)).Select(line => $"socket {line}"),
        .. Groups().SelectMany(Directory.EnumerateDirectories).Select(path => $"control group {path}"),
        .. new[] { "sandboxes", "runtime", "slots" }.Select(name => Path.Combine(State, name)).Where(Directory.Exists).SelectMany(Directory.EnumerateFileSystemEntries).Select(path => $"file {path}"),
    ];

    /// <summary>Processes of the sandboxes, by their numbers on the host. One that has ended and waits for the host's first process to notice is not ours any more.</summary>
    public IReadOnlyList<int> Processes() =>
    [
        .. Directory.EnumerateDirectories("/proc")
            .Select(folder => int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out var pid) ? pid : 0)
            .Where(pid => pid > 0 && UidOf(pid) is { } uid && uid >= uidBase && uid < uidBase + Uids)
            .Where(pid => Status(pid, "State")?[0] != 'Z' || Status(pid, "PPid") == gateway.ProcessId.ToString(CultureInfo.InvariantCulture)),
    ];

    /// <summary>The effective user of a process; <c>null</c> when it has ended.</summary>
    public static uint? UidOf(int pid) => Status(pid, "Uid") is { } uids ? uint.Parse(uids.Split('\t')[1], CultureInfo.InvariantCulture) : null;

    private static string? Status(int pid, string field)
    {
        try
        {
            return File.ReadLines(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/status"))
                .FirstOrDefault(line => line.StartsWith(field + ":\t", StringComparison.Ordinal))?[(field.Length + 2)..];
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>Removes the parent group, which the gateway keeps for the next sandbox. Only when empty.</summary>
    public void RemoveGroups()
    {
        foreach (var folder in Groups().ToList())
        {
            Directory.Delete(folder);
        }
    }

    private IEnumerable<string> Groups() => Directory.EnumerateDirectories("/sys/fs/cgroup")
        .Prepend("/sys/fs/cgroup")
        .Select(tree => Path.Join(tree, cgroupParent))
        .Where(Directory.Exists);
}
