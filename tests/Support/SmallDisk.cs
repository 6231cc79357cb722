namespace KernelGateway.Testing;

/// <summary>A disk in memory of a given size; needs root.</summary>
internal sealed class SmallDisk : IAsyncDisposable
{
    private SmallDisk(string path) => Path = path;

    public string Path { get; }

    public static async Task<SmallDisk> MountAsync(string path, string size)
    {
        Directory.CreateDirectory(path);
        await ChildProcess.MustRunAsync("mount", "-t", "tmpfs", "-o", $"size={size}", "kg-test", path);
        return new SmallDisk(path);
    }

    public async ValueTask DisposeAsync() => await ChildProcess.MustRunAsync("umount", "--lazy", Path);
}
