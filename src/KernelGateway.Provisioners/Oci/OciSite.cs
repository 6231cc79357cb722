using System.Globalization;
using KernelGateway.Core.Environments;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Faults;
using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Containers;
using KernelGateway.Provisioners.Native;

namespace KernelGateway.Provisioners.Oci;

/// <summary>This host, prepared: makes containers and removes them without a trace.</summary>
internal sealed class OciSite(OciProvisionerOptions options, OciRuntime runtime, ContainerGround ground, SandboxSystems systems) : IDisposable
{
    private static readonly TimeSpan CgroupPatience = TimeSpan.FromSeconds(5);

    private readonly HostFolders _hostFolders = new(ground.Folders, options);

    internal ContainerGround Ground => ground;

    /// <summary>Makes ready what sandboxes on the host's own system share.</summary>
    internal static async Task<OciSite> PrepareAsync(OciProvisionerOptions options, OciRuntime runtime, CgroupLayout layout, ContainerFolders folders, TimeProvider time)
    {
        var shared = await SharedFiles.PrepareAsync(folders.Shared, options.LauncherFolder, options.PythonPath, time);
        var ground = new ContainerGround(
            layout, folders, new UidSlots(folders.Slots, options.UidBase, options.UidSlots), new SandboxDisks(options.DiskQuota, options.SharedDiskBytes, time), time);
        return new OciSite(options, runtime, ground, new SandboxSystems(options, folders, shared, time));
    }

    /// <summary>Makes and starts a container. On failure nothing is left.</summary>
    /// <param name="id">The sandbox's id.</param>
    /// <param name="environment">Whose image it runs on, when there is one, and whose mounts it gets; <c>null</c> for the host's system and none.</param>
    /// <param name="limits">What it may use at most.</param>
    /// <param name="cancellationToken">Stops before the next step.</param>
    /// <exception cref="GatewayException">With what the runtime said.</exception>
    internal async Task<OciPlace> StartAsync(string id, EnvironmentDefinition? environment, ResourceLimits limits, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (Directory.Exists(ground.Folders.Of(id).Root) || !ground.Held.TryHold(id))
        {
            throw new GatewayException(ErrorCode.Conflict, $"There is a sandbox '{id}' on this host already.");
        }

        OciSandbox? sandbox = null;
        try
        {
            var system = await systems.ChooseAsync(environment?.Name);
            var slot = ground.Slots.Take(id)
                ?? throw new GatewayException(ErrorCode.LimitReached, $"All {options.UidSlots} user id ranges are in use; {OciProvisionerOptions.Section}:{nameof(options.UidSlots)} allows more.");
            var kernelUid = ground.Slots.KernelUid(slot);
            sandbox = Find(id, slot);
            Fault.At("local.slot_taken");
            sandbox.Folders.Create(kernelUid);
            Fault.At("local.folders_made");
            await ground.Disks.MakeAsync(sandbox.Folders, kernelUid, limits, disk => system.Root.Write(disk, ground.Slots.RootUid(slot), kernelUid));
            await _hostFolders.MountAsync(sandbox.Folders, kernelUid, environment);
            new OciBundle(options, ground.Slots).Write(sandbox.Folders, slot, limits, sandbox.Cgroup, system);
            Fault.At("local.bundle_written");
            // Not with the caller's token: a runtime stopped half way leaves what only it knows of.
            await runtime.RunAsync(id, sandbox.Folders.Bundle, sandbox.Folders.PidFile, sandbox.Folders.Stdio);
            Fault.At("local.container_started");
            cancellationToken.ThrowIfCancellationRequested();
            return new OciPlace(this, sandbox, system.System, FindInit(sandbox));
        }
        catch (Exception error)
        {
            await ground.Held.TakeBackAsync(id, sandbox is null ? null : () => RemoveAsync(sandbox), error);
            if (error is OciRuntimeException or IOException or UnauthorizedAccessException)
            {
                throw new GatewayException(ErrorCode.KernelFailed, $"The container could not be started: {error.Message}", inner: error);
            }

            throw;
        }
    }

    /// <summary>Finds a container again; <c>null</c> when its first process is gone.</summary>
    internal OciPlace? Reopen(string id, string system, int slot, int pid, string startedAt)
    {
        var process = WatchedProcess.Open(pid, startedAt);
        if (process is null)
        {
            return null;
        }

        ground.Held.Hold(id);
        return new OciPlace(this, Find(id, slot), system, process);
    }

    /// <summary>Kills what is left of a sandbox and removes it from the host. Can be repeated after a failure.</summary>
    /// <exception cref="IOException">Something could not be removed.</exception>
    internal async Task RemoveAsync(OciSandbox sandbox)
    {
        try
        {
            new CgroupFreezer(ground.Layout, sandbox.Cgroup, ground.Time).KillFrozen(); // Perhaps paused by a gateway that has forgotten it.
            await DeleteContainerAsync(sandbox.Id);
            await sandbox.Cgroup.RemoveAsync(CgroupPatience);
        }
        catch (OciRuntimeException error)
        {
            throw new IOException($"Sandbox {sandbox.Id} could not be removed: {error.Message}", error);
        }

        Fault.At("local.container_removed");
        HostMounts.DetachBelow(sandbox.Folders.Root);
        Fault.At("local.disks_detached");
        _hostFolders.Remove(sandbox.Folders);
        await ground.RemoveAsync(sandbox);
    }

    /// <summary>Removes what is left of sandboxes that are neither known nor held.</summary>
    /// <param name="known">Whom to leave alone.</param>
    /// <param name="failed">Is told of each that cannot be removed; the others still are.</param>
    /// <param name="cancellationToken">Stops before the next.</param>
    internal async Task<IReadOnlyList<string>> RemoveOrphansAsync(IReadOnlySet<string> known, Action<string, IOException> failed, CancellationToken cancellationToken)
    {
        var removed = await ground.RemoveOrphansAsync(await runtime.ListAsync(), known, (id, slot) => RemoveAsync(Find(id, slot)), failed, cancellationToken);
        await systems.TidyAsync(unused: () => ground.IsUnused);
        return removed;
    }

    /// <summary>What a new sandbox of an environment would run on.</summary>
    /// <exception cref="GatewayException">Its image cannot be used.</exception>
    internal string SystemOf(string environment) => systems.NameFor(environment);

    public void Dispose() => systems.Dispose();

    /// <summary>Where the sandbox of an id lies, whether or not it exists.</summary>
    internal OciSandbox Find(string id, int slot) => new(id, slot, ground.Folders.Of(id), new CgroupLimits(ground.Layout, $"{options.CgroupParent.TrimEnd('/')}/{id}", ground.Time));

    /// <summary>What the mounts of a sandbox on the host's system must be.</summary>
    internal IReadOnlyList<PolicyMount> MountsOf(OciSandbox sandbox) => [.. OciPolicy.Mounts(options, systems.Host, sandbox.Folders), .. HostFolders.MountsInside(sandbox.Folders)];

    private WatchedProcess FindInit(OciSandbox sandbox) =>
        WatchedProcess.Open(int.TryParse(File.ReadAllText(sandbox.Folders.PidFile), NumberStyles.None, CultureInfo.InvariantCulture, out var pid)
            ? pid
            : throw new OciRuntimeException($"{runtime.ProgramPath} wrote no process number into its pid file."))
        ?? throw new GatewayException(ErrorCode.KernelFailed, $"The container ended at once. {TextTail.OfFile(sandbox.Folders.Stdio)}");

    private async Task DeleteContainerAsync(string id)
    {
        if (!runtime.Knows(id))
        {
            return;
        }

        try
        {
            await runtime.DeleteAsync(id, force: false);
        }
        catch (OciRuntimeException)
        {
            // Not stopped, or somebody else has deleted it meanwhile.
            if (runtime.Knows(id))
            {
                await runtime.DeleteAsync(id, force: true);
            }
        }
    }
}
