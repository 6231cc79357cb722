namespace KernelGateway.Chaos.Tests.Support;

/// <summary>A disk in an image file. A copy of the image is what a power cut would leave: what was written and not flushed is not in it.</summary>
internal sealed class ImageDisk : IAsyncDisposable
{
    private readonly string _image;
    private readonly string _folder;

    private ImageDisk(string image, string folder) => (_image, _folder) = (image, folder);

    /// <summary>Where it is mounted.</summary>
    public string Path => System.IO.Path.Combine(_folder, "disk");

    public static async Task<ImageDisk> CreateAsync()
    {
        var folder = Directory.CreateTempSubdirectory("kg-").FullName;
        var image = System.IO.Path.Combine(folder, "image");
        await ChildProcess.MustRunAsync("truncate", "-s", "64M", image);
        await ChildProcess.MustRunAsync("mkfs.ext4", "-q", "-F", image);
        return await MountAsync(image, folder);
    }

    /// <summary>The disk as it would be found if the power failed now.</summary>
    public async Task<ImageDisk> CutPowerAsync()
    {
        var folder = Directory.CreateTempSubdirectory("kg-").FullName;
        var image = System.IO.Path.Combine(folder, "image");
        File.Copy(_image, image);
        return await MountAsync(image, folder);
    }

    public async ValueTask DisposeAsync()
    {
        await ChildProcess.MustRunAsync("umount", Path);
        Directory.Delete(_folder, recursive: true);
    }

    private static async Task<ImageDisk> MountAsync(string image, string folder)
    {
        var disk = new ImageDisk(image, folder);
        Directory.CreateDirectory(disk.Path);
        await ChildProcess.MustRunAsync("mount", "-o", "loop", image, disk.Path);
        return disk;
    }
}
