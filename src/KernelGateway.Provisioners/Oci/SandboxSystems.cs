using KernelGateway.Provisioners.Containers;

namespace KernelGateway.Provisioners.Oci;

/// <summary>The systems that sandboxes run on: the host's own, and images while somebody uses them.</summary>
internal sealed class SandboxSystems(OciProvisionerOptions options, ContainerFolders folders, SharedFiles host, TimeProvider time) : IDisposable
{
    private readonly SystemImages _images = new(options, folders);

    // By digest. Under the semaphore, as is mounting and unmounting.
    private readonly Dictionary<string, SharedFiles> _onImages = [];
    private readonly SemaphoreSlim _choosing = new(1, 1);

    internal SharedFiles Host => host;

    /// <summary>The name of what a new sandbox of an environment would run on.</summary>
    /// <exception cref="Core.Errors.GatewayException">Its image cannot be used.</exception>
    internal string NameFor(string environment) => _images.Find(environment)?.Label ?? SharedFiles.HostSystem;

    /// <summary>Makes ready what a new sandbox runs on: the image of its environment when there is one, else the host's own system.</summary>
    /// <exception cref="Core.Errors.GatewayException">The image cannot be used.</exception>
    internal async Task<SharedFiles> ChooseAsync(string? environment)
    {
        if (environment is null || _images.Find(environment) is not { } image)
        {
            return host;
        }

        await _choosing.WaitAsync();
        try
        {
            var folder = await _images.MountAsync(image);
            if (!_onImages.TryGetValue(image.Digest, out var system))
            {
                system = await SharedFiles.PrepareAsync(folders.Shared, options.LauncherFolder, options.PythonPath, time, image.Label, folder);
                _onImages[image.Digest] = system;
            }

            return system;
        }
        finally
        {
            _choosing.Release();
        }
    }

    /// <summary>Lets go of everything that sandboxes shared, when there is none.</summary>
    /// <param name="unused">Asked while nobody can be choosing.</param>
    internal async Task TidyAsync(Func<bool> unused)
    {
        await _choosing.WaitAsync();
        try
        {
            if (unused())
            {
                _onImages.Clear();
                _images.Detach();
                await host.RemoveOthersAsync(time);
            }
        }
        finally
        {
            _choosing.Release();
        }
    }

    public void Dispose() => _choosing.Dispose();
}
