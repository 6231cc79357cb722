using KernelGateway.Client;
using KernelGateway.Contracts.Files;

namespace Walkthrough;

/// <summary>Files.</summary>
internal static class FileChapters
{
    public static async Task TellAsync(Sandbox sandbox)
    {
        Say.Chapter("Files");
        await sandbox.Files.WriteTextAsync("/data/test.txt", "Hello World");
        Say.Line(await sandbox.Files.ReadTextAsync("/data/test.txt"));
        Say.Line($"The code sees it too: {(await sandbox.RunCodeAsync("open('/data/test.txt').read()")).Text}");
        await sandbox.Files.MkdirAsync("/data/subdir");
        await foreach (var entry in sandbox.Files.ListAsync("/data"))
        {
            Say.Line(entry.Type == FileType.File ? $"{entry.Name} ({entry.Size} bytes)" : $"{entry.Name}/");
        }

        var local = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        try
        {
            await File.WriteAllBytesAsync(local, new byte[3 << 20]);
            var uploaded = await sandbox.Files.UploadAsync(local, "/data/large.bin");
            await sandbox.Files.DownloadAsync("/data/large.bin", local);
            Say.Line($"{uploaded.Size} bytes went up, {new FileInfo(local).Length} came down.");
        }
        finally
        {
            File.Delete(local);
        }

        await sandbox.Files.CopyAsync("/data/test.txt", "/data/copy.txt");
        await sandbox.Files.MoveAsync("/data/copy.txt", "/data/subdir/moved.txt");
        Say.Line($"Moved: {await sandbox.Files.ExistsAsync("/data/subdir/moved.txt")}");
        await sandbox.Files.RemoveAsync("/data/subdir", recursive: true);
        Say.Line($"Still there: {await sandbox.Files.ExistsAsync("/data/subdir")}");
        await Say.RefusedAsync("A path that leads out", () => sandbox.Files.ReadTextAsync("/data/../proc/1/environ"));
        await Say.RefusedAsync("A file that is not there", () => sandbox.Files.ReadTextAsync("/data/nothing.txt"));

        Say.Chapter("Watching files");
        await foreach (var change in sandbox.Files.WatchAsync("/data"))
        {
            Say.Line($"{change.Type} {change.Path}".TrimEnd());
            if (change.Type == FileChangeType.Ready)
            {
                await sandbox.RunCodeAsync("import os; os.mkdir('/data/seen')");
            }
            else
            {
                break;
            }
        }
    }
}
