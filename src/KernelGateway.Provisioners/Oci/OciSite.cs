using System.Collections.Concurrent;
using System.Globalization;
using KernelGateway.Core.Environments;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Faults;
using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Native;

namespace KernelGateway.Provisioners.Oci;

/// <summary>This host, prepared: makes containers and removes them without a trace.</summary>
internal sealed class OciSite(OciProvisionerOptions options, OciRuntime runtime, CgroupLayout layout, OciFolders folders, SandboxSystems systems, TimeProvider time) : IDisposable
{
    private static readonly TimeSpan CgroupPatience = TimeSpan.FromSeconds(5);

    private readonly SandboxDisks _disks = new(options.DiskQuota, options.SharedDiskBytes, time);

    private readonly UidSlots _slots = new(folders.Slots, options.UidBase, options.UidSlots);

    private readonly HostFolders _hostFolders = new(folders, options);

    // Sandboxes that this process makes or holds: a sweep leaves them alone, whether or not their owner has heard of them yet.
    private readonly ConcurrentDictionary<string, bool> _held = new();

    internal TimeProvider Time => time;

    internal CgroupLayout Layout => layout;

    internal UidSlots Slots => _slots;

    /// <summary>Makes and starts a container. On failure nothing is left.</summary>
    /// <param name="id">The sandbox's id.</param>
    /// <param name="environment">Whose image it runs on, when there is one, and whose mounts it gets; <c>null</c> for the host's system and none.</param>
    /// <param name="limits">What it may use at most.</param>
    /// <param name="cancellationToken">Stops before the next step.</param>
    /// <exception cref="GatewayException">With what the runtime said.</exception>
    internal async Task<OciPlace> StartAsync(string id, EnvironmentDefinition? environment, ResourceLimits limits, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (Directory.Exists(folders.Of(id).Root) || !_held.TryAdd(id, true))
        {
            throw new GatewayException(ErrorCode.Conflict, $"There is a sandbox '{id}' on this host already.");
        }

        OciSandbox? sandbox = null;
        try
        {
            var system = await systems.ChooseAsync(environment?.Name);
            var slot = _slots.Take(id)
                ?? throw new GatewayException(ErrorCode.LimitReached, $"All {options.UidSlots} user id ranges are in use; {OciProvisionerOptions.Section}:{nameof(options.UidSlots)} allows more.");
            sandbox = Find(id, slot);
            Fault.At("local.slot_taken");
            sandbox.Folders.Create(_slots.KernelUid(slot));
            Fault.At("local.folders_made");
            await _disks.MakeAsync(sandbox.Folders, _slots.KernelUid(slot), limits, disk => system.Root.Write(disk, _slots.RootUid(slot), _slots.KernelUid(slot)));
            await _hostFolders.MountAsync(sandbox.Folders, _slots.KernelUid(slot), environment);
            new OciBundle(options, _slots).Write(sandbox.Folders, slot, limits, sandbox.Cgroup, system);
            Fault.At("local.bundle_written");
            // Not with the caller's token: a runtime stopped half way leaves what only it knows of.
            await runtime.RunAsync(id, sandbox.Folders.Bundle, sandbox.Folders.PidFile, sandbox.Folders.Stdio);
            Fault.At("local.container_started");
            cancellationToken.ThrowIfCancellationRequested();
            return Open(sandbox, system.System, null) ?? throw new GatewayException(ErrorCode.KernelFailed,
                $"The container ended at once. {TextTail.OfFile(sandbox.Folders.Stdio)}");
        }
        catch (Exception error)
        {
            await RemoveFailedAsync(id, sandbox, error);
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

        _held[id] = true;
        return Open(Find(id, slot), system, process);
    }

    /// <summary>Kills what is left of a sandbox and removes it from the host. Can be repeated after a failure.</summary>
    /// <exception cref="IOException">Something could not be removed.</exception>
    internal async Task RemoveAsync(OciSandbox sandbox)
    {
        try
        {
            new CgroupFreezer(layout, sandbox.Cgroup, time).KillFrozen(); // Perhaps paused by a gateway that has forgotten it.
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
        await FolderRemoval.RemoveAsync(sandbox.Folders.Root, time);
        _slots.Free(sandbox.Slot, sandbox.Id);
        LetGo(sandbox.Id);
    }

    /// <summary>This process has nothing to do with the sandbox any more.</summary>
    internal void LetGo(string id) => _held.TryRemove(id, out _);

    /// <summary>Removes what is left of sandboxes that are neither known nor held.</summary>
    /// <param name="known">Whom to leave alone.</param>
    /// <param name="failed">Is told of each that cannot be removed; the others still are.</param>
    /// <param name="cancellationToken">Stops before the next.</param>
    internal async Task<IReadOnlyList<string>> RemoveOrphansAsync(IReadOnlySet<string> known, Action<string, IOException> failed, CancellationToken cancellationToken)
    {
        var slots = _slots.Taken();
        var found = slots.Values.Concat(await runtime.ListAsync());
        if (Directory.Exists(folders.Sandboxes))
        {
            found = found.Concat(Directory.EnumerateDirectories(folders.Sandboxes).Select(path => Path.GetFileName(path)));
        }

        var removed = new List<string>();
        foreach (var id in found.Distinct().Where(id => id.Length > 0 && !known.Contains(id) && !_held.ContainsKey(id)).ToList())
        {
            cancellationToken.ThrowIfCancellationRequested();
            var owned = slots.Where(slot => slot.Value == id).Select(slot => slot.Key).DefaultIfEmpty(-1).ToList();
            try
            {
                foreach (var slot in owned)
                {
                    await RemoveAsync(Find(id, slot));
                }

                removed.Add(id);
            }
            catch (IOException error)
            {
                failed(id, error);
            }
        }

        foreach (var (slot, _) in slots.Where(slot => slot.Value.Length == 0))
        {
            _slots.Free(slot, "");
        }

        await systems.TidyAsync(unused: () => _held.IsEmpty && !Directory.EnumerateFileSystemEntries(folders.Sandboxes).Any());
        return removed;
    }

    /// <summary>How full a sandbox's disk is.</summary>
    internal DiskUse? Measure(OciSandbox sandbox) => _disks.Measure(sandbox.Folders);

    /// <summary>What a new sandbox of an environment would run on.</summary>
    /// <exception cref="GatewayException">Its image cannot be used.</exception>
    internal string SystemOf(string environment) => systems.NameFor(environment);

    public void Dispose() => systems.Dispose();

    /// <summary>Where the sandbox of an id lies, whether or not it exists.</summary>
    internal OciSandbox Find(string id, int slot) => new(id, slot, folders.Of(id), new CgroupLimits(layout, $"{options.CgroupParent.TrimEnd('/')}/{id}", time));

    /// <summary>What the mounts of a sandbox on the host's system must be.</summary>
    internal IReadOnlyList<PolicyMount> MountsOf(OciSandbox sandbox) => [.. OciPolicy.Mounts(options, systems.Host, sandbox.Folders), .. HostFolders.MountsInside(sandbox.Folders)];

    private OciPlace? Open(OciSandbox sandbox, string system, WatchedProcess? process)
    {
        process ??= int.TryParse(File.ReadAllText(sandbox.Folders.PidFile), NumberStyles.None, CultureInfo.InvariantCulture, out var pid)
            ? WatchedProcess.Open(pid)
            : throw new OciRuntimeException($"{runtime.ProgramPath} wrote no process number into its pid file.");
        if (process is null)
        {
            return null;
        }

        try
        {
            return new OciPlace(this, sandbox, system, process)
            {
                SandboxId = sandbox.Id,
                Uid = _slots.KernelUid(sandbox.Slot),
                Sockets = FolderHandle.Open(sandbox.Folders.Sockets),
                SocketsInside = OciPolicy.SocketsInside,
                LauncherInside = OciPolicy.LauncherInside,
                WorkInside = OciPolicy.Workspace,
                Egress = FolderHandle.Open(sandbox.Folders.Egress),
                EgressInside = OciPolicy.EgressInside,
                LogsOnHost = sandbox.Folders.Logs,
                Variables = OciPolicy.KernelVariables,
            };
        }
        catch
        {
            process.Dispose();
            throw;
        }
    }

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

    private async Task RemoveFailedAsync(string id, OciSandbox? sandbox, Exception cause)
    {
        try
        {
            if (sandbox is not null)
            {
                await RemoveAsync(sandbox);
            }
        }
        catch (IOException error)
        {
            // The sweep of orphans will find it; both reasons are told.
            throw new GatewayException(ErrorCode.KernelFailed, $"{cause.Message} Besides, not all of it could be removed: {error.Message}", inner: cause);
        }
        finally
        {
            LetGo(id);
        }
    }
}
