namespace KernelGateway.Testing;

/// <summary>Waits for writers who do not say when they are done.</summary>
internal static class QuietFolder
{
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(2);

    /// <summary>Completes when no file below a folder has changed for a while.</summary>
    public static async Task WaitForAsync(string folder)
    {
        using var watcher = new FileSystemWatcher(folder) { IncludeSubdirectories = true, NotifyFilter = NotifyFilters.Size | NotifyFilters.LastWrite | NotifyFilters.FileName };
        using var changed = new SemaphoreSlim(0);
        watcher.Changed += (_, _) => changed.Release();
        watcher.Created += (_, _) => changed.Release();
        watcher.EnableRaisingEvents = true;
        while (await changed.WaitAsync(Quiet))
        {
            // Still at work.
        }
    }
}
