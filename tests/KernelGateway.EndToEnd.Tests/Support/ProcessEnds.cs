using System.Diagnostics;
using System.Globalization;

namespace KernelGateway.EndToEnd.Tests.Support;

/// <summary>Acts on what the gateway left running, from outside.</summary>
internal static class ProcessEnds
{
    /// <summary>Kills every process in the control group of a sandbox, and waits until they are gone.</summary>
    public static void KillAllOf(string sandboxId)
    {
        foreach (var process in Process.GetProcesses().Where(p => Read(p.Id, "cgroup").Contains(sandboxId, StringComparison.Ordinal)))
        {
            process.Kill();
            process.WaitForExit();
        }
    }

    /// <summary>The live processes in the control group of a sandbox, by their numbers on the host. One that has ended and waits for its parent to notice has no command line.</summary>
    public static IReadOnlyList<int> ProcessesOf(string sandboxId) =>
        [.. Process.GetProcesses().Select(p => p.Id).Where(pid => Read(pid, "cgroup").Contains(sandboxId, StringComparison.Ordinal) && Read(pid, "cmdline").Length > 0)];

    /// <summary>The command line of a process, with spaces between its parts; empty when it has ended.</summary>
    public static string CommandLineOf(int pid) => Read(pid, "cmdline").Replace('\0', ' ');

    /// <summary>Completes when no file below a folder has changed for a while: whoever wrote there is done.</summary>
    public static async Task WhenQuietAsync(string folder, TimeSpan quiet)
    {
        using var watcher = new FileSystemWatcher(folder) { IncludeSubdirectories = true, NotifyFilter = NotifyFilters.Size | NotifyFilters.LastWrite | NotifyFilters.FileName };
        using var changed = new SemaphoreSlim(0);
        watcher.Changed += (_, _) => changed.Release();
        watcher.Created += (_, _) => changed.Release();
        watcher.EnableRaisingEvents = true;
        while (await changed.WaitAsync(quiet))
        {
            // Still at work.
        }
    }

    private static string Read(int pid, string file)
    {
        try
        {
            return File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/{file}"));
        }
        catch (IOException)
        {
            return ""; // It has just ended.
        }
    }
}
