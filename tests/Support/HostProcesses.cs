using System.Diagnostics;
using System.Globalization;

namespace KernelGateway.Testing;

/// <summary>The processes of this host as /proc shows them, and the end of those in a sandbox, from outside.</summary>
internal static class HostProcesses
{
    /// <summary>The numbers of all.</summary>
    public static IEnumerable<int> All => Directory.EnumerateDirectories("/proc")
        .Select(folder => int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out var pid) ? pid : 0)
        .Where(pid => pid > 0);

    /// <summary>Kills every process in the control group of a sandbox, and waits until they are gone.</summary>
    public static void KillAllOf(string sandboxId)
    {
        foreach (var process in Process.GetProcesses().Where(p => Read(p.Id, "cgroup").Contains(sandboxId, StringComparison.Ordinal)))
        {
            process.Kill();
            process.WaitForExit();
        }
    }

    /// <summary>The live processes in the control group of a sandbox. One that has ended and waits for its parent to notice has no command line.</summary>
    public static IReadOnlyList<int> ProcessesOf(string sandboxId) =>
        [.. All.Where(pid => Read(pid, "cgroup").Contains(sandboxId, StringComparison.Ordinal) && Read(pid, "cmdline").Length > 0)];

    /// <summary>The command line of a process, with spaces between its parts; empty when it has ended.</summary>
    public static string CommandLineOf(int pid) => Read(pid, "cmdline").Replace('\0', ' ');

    /// <summary>The environment it was started with; empty when it has ended.</summary>
    public static string EnvironmentOf(int pid) => Read(pid, "environ").Replace('\0', ' ');

    /// <summary>The effective user of a process; <c>null</c> when it has ended.</summary>
    public static uint? UidOf(int pid) => StatusOf(pid, "Uid") is { } uids ? uint.Parse(uids.Split('\t')[1], CultureInfo.InvariantCulture) : null;

    /// <summary>A field of its status; <c>null</c> when it has ended.</summary>
    public static string? StatusOf(int pid, string field) =>
        Read(pid, "status").Split('\n').FirstOrDefault(line => line.StartsWith(field + ":\t", StringComparison.Ordinal))?[(field.Length + 2)..];

    /// <summary>Resident memory, bytes; 0 when it has ended.</summary>
    public static long ResidentBytesOf(int pid) => Read(pid, "statm").Split(' ') is [_, var pages, ..]
        ? long.Parse(pages, CultureInfo.InvariantCulture) * Environment.SystemPageSize
        : 0;

    private static string Read(int pid, string file)
    {
        try
        {
            return File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/{file}"));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return ""; // It has just ended, or is not ours to look at.
        }
    }
}
