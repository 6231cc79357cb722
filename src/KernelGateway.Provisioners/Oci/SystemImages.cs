using System.Security.Cryptography;
using System.Text.Json;
using KernelGateway.Core.Errors;
using KernelGateway.Provisioners.Containers;
using KernelGateway.Provisioners.Native;

namespace KernelGateway.Provisioners.Oci;

/// <summary>Systems that were built for environments by <c>kernel-images/build.sh</c>: each a read-only file system in one file, mounted once for all sandboxes on it.</summary>
internal sealed class SystemImages(OciProvisionerOptions options, ContainerFolders folders)
{
    internal const string FileSystem = "squashfs";

    private const ulong Flags = LibC.MountReadOnly | LibC.MountNoSetId | LibC.MountNoDevices;

    /// <summary>The image that new sandboxes of an environment run on; <c>null</c> when none was built.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.HostNotReady"/>: its description cannot be read.</exception>
    internal SystemImage? Find(string environment)
    {
        if (options.ImagesFolder.Length == 0 || environment.Contains('/', StringComparison.Ordinal))
        {
            return null;
        }

        var path = Path.Combine(options.ImagesFolder, environment + ".json");
        try
        {
            var image = JsonSerializer.Deserialize<SystemImage>(File.ReadAllText(path), JsonSerializerOptions.Web);
            return image is { IsPlain: true } ? image : throw Unusable(path, "file or digest is missing");
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        catch (Exception error) when (error is JsonException or IOException or UnauthorizedAccessException)
        {
            throw Unusable(path, error.Message);
        }
    }

    /// <summary>Mounts an image unless it is mounted, after a look at whether it is the one that was built.</summary>
    /// <returns>The folder it is mounted on.</returns>
    /// <exception cref="GatewayException"><see cref="ErrorCode.HostNotReady"/>, with the reason.</exception>
    internal async Task<string> MountAsync(SystemImage image)
    {
        var folder = Path.Combine(folders.Images, image.Hash[..16]);
        if (HostMounts.Below(folder).Count > 0)
        {
            return folder;
        }

        var path = Path.Combine(options.ImagesFolder, image.File);
        try
        {
            await using (var file = File.OpenRead(path))
            {
                if (Convert.ToHexStringLower(await SHA256.HashDataAsync(file)) != image.Hash)
                {
                    throw Unusable(path, "its content is not what was built");
                }
            }

            Directory.CreateDirectory(folder);
            LoopDevice.Mount(path, folder, FileSystem, Flags, null);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw Unusable(path, error.Message);
        }

        foreach (var program in new[] { options.PythonPath, options.TiniPath }.Where(program => !File.Exists(folder + program)))
        {
            HostMounts.DetachBelow(folder);
            throw Unusable(path, $"it has no {program}");
        }

        return folder;
    }

    /// <summary>Unmounts all images. Only when no sandbox is left.</summary>
    /// <exception cref="IOException">One could not be.</exception>
    internal void Detach()
    {
        HostMounts.DetachBelow(folders.Images);
        foreach (var folder in Directory.EnumerateDirectories(folders.Images).ToList())
        {
            Directory.Delete(folder);
        }
    }

    private static GatewayException Unusable(string path, string why) =>
        new(ErrorCode.HostNotReady, $"The image '{path}' cannot be used: {why}. Build it again (kernel-images/build.sh), or remove its .json so that the environment runs on the host's /usr.");
}

/// <summary>What <c>kernel-images/build.sh</c> says of an image it has made.</summary>
/// <param name="Name">The environment's name.</param>
/// <param name="File">The file's name, beside the description.</param>
/// <param name="Digest"><c>sha256:</c> and 64 hexadecimal digits.</param>
internal sealed record SystemImage(string Name, string File, string Digest)
{
    private const string Algorithm = "sha256:";

    /// <summary>True when nothing in it leads anywhere else.</summary>
    internal bool IsPlain => Name is not null && File is not null && Digest is not null && !File.Contains('/', StringComparison.Ordinal)
        && Digest.StartsWith(Algorithm, StringComparison.Ordinal) && Hash.Length == 64 && Hash.All(char.IsAsciiHexDigitLower);

    internal string Hash => Digest[Algorithm.Length..];

    /// <summary>As shown to users.</summary>
    internal string Label => $"{Name}@{Digest}";
}
