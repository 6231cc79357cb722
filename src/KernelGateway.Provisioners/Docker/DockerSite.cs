using System.Collections.Concurrent;
using System.Text.Json;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Faults;
using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Launcher;
using KernelGateway.Provisioners.Native;
using KernelGateway.Provisioners.Oci;

namespace KernelGateway.Provisioners.Docker;

/// <summary>This host with its Docker engine: makes containers and removes them without a trace.</summary>
internal sealed class DockerSite(DockerProvisionerOptions options, DockerEngine engine, CgroupLayout layout, OciFolders folders, SharedFiles shared, TimeProvider time)
{
    private static readonly TimeSpan InspectDeadline = TimeSpan.FromSeconds(10);

    private readonly SandboxDisks _disks = new(options.DiskQuota, options.SharedDiskBytes, time);

    private readonly UidSlots _slots = new(folders.Slots, options.UidBase, options.UidSlots);

    // Sandboxes that this process makes or holds: a sweep leaves them alone, whether or not their owner has heard of them yet.
    private readonly ConcurrentDictionary<string, bool> _held = new();

    // What could not be removed because the engine was away.
    private readonly ConcurrentDictionary<string, DockerSandbox> _leftovers = new();

    internal TimeProvider Time => time;

    internal CgroupLayout Layout => layout;

    internal DockerEngine Engine => engine;

    /// <summary>Makes and starts a container. On failure nothing is left.</summary>
    /// <param name="id">The sandbox's id.</param>
    /// <param name="image">What it runs on.</param>
    /// <param name="limits">What it may use at most.</param>
    /// <param name="policy">How it is confined.</param>
    /// <param name="cancellationToken">Stops before the next step.</param>
    /// <exception cref="GatewayException">With what the engine said.</exception>
    internal async Task<DockerPlace> StartAsync(string id, DockerImage image, ResourceLimits limits, DockerPolicy policy, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (Directory.Exists(folders.Of(id).Root) || !_held.TryAdd(id, true))
        {
            throw new GatewayException(ErrorCode.Conflict, $"There is a sandbox '{id}' on this host already.");
        }

        DockerSandbox? sandbox = null;
        try
        {
            var slot = _slots.Take(id)
                ?? throw new GatewayException(ErrorCode.LimitReached, $"All {options.UidSlots} user ids are in use; {DockerProvisionerOptions.Section}:{nameof(options.UidSlots)} allows more.");
            sandbox = Find(id, slot);
            var uid = _slots.KernelUid(slot);
            Fault.At("docker.slot_taken");
            sandbox.Folders.Create(uid);
            await _disks.MakeAsync(sandbox.Folders, uid, limits, disk => MakeOwnFolders(disk, uid));
            MakeStdio(sandbox.Folders.Stdio, uid);
            sandbox.WriteEtc(uid);
            Fault.At("docker.disks_made");
            cancellationToken.ThrowIfCancellationRequested();
            // From here on not with the caller's token: what an engine was asked for happens, whether or not somebody waits.
            var container = await engine.CreateAsync(sandbox.Container, policy.ForSandbox(sandbox, shared.Launcher, uid, image, limits), CancellationToken.None);
            Fault.At("docker.container_made");
            await engine.StartAsync(container, CancellationToken.None);
            Fault.At("docker.container_started");
            cancellationToken.ThrowIfCancellationRequested();
            return await OpenStartedAsync(sandbox, container, image);
        }
        catch (Exception error)
        {
            await RemoveFailedAsync(id, sandbox, error);
            if (error is EngineException or IOException or UnauthorizedAccessException)
            {
                var code = error is EngineException { Status: null } ? ErrorCode.HostNotReady : ErrorCode.KernelFailed;
                throw new GatewayException(code, $"The container could not be started: {error.Message}", inner: error);
            }

            throw;
        }
    }

    /// <summary>Finds a container again, engine or not; <c>null</c> when its first process is gone.</summary>
    internal DockerPlace? Reopen(string id, LauncherState state)
    {
        var process = WatchedProcess.Open(state.PlaceNumber("pid"), state.PlaceText("startedAt"));
        if (process is null)
        {
            return null;
        }

        _held[id] = true;
        return Open(Find(id, state.PlaceNumber("slot")), state.PlaceText("container"), state.PlaceText("cgroup"), state.PlaceText("image"), process);
    }

    /// <summary>Ends what is left of a sandbox and removes it from the engine and the host. Can be repeated after a failure.</summary>
    /// <exception cref="IOException">Something could not be removed; it is tried again when the engine is asked for the next sandbox.</exception>
    internal async Task RemoveAsync(DockerSandbox sandbox)
    {
        try
        {
            await KillPausedAsync(sandbox.Container);
            await engine.RemoveAsync(sandbox.Container, CancellationToken.None);
        }
        catch (EngineException error)
        {
            _leftovers[sandbox.Id] = sandbox;
            throw new IOException($"Container {sandbox.Container} could not be removed: {error.Message}", error);
        }

        Fault.At("docker.container_removed");
        HostMounts.DetachBelow(sandbox.Folders.Root);
        await FolderRemoval.RemoveAsync(sandbox.Folders.Root, time);
        _slots.Free(sandbox.Slot, sandbox.Id);
        _leftovers.TryRemove(sandbox.Id, out _);
        LetGo(sandbox.Id);
    }

    /// <summary>Ends one that was paused by a gateway that has forgotten it: version 1 of control groups ends nothing that is frozen, whoever asks.</summary>
    private async Task KillPausedAsync(string name)
    {
        try
        {
            var state = await engine.InspectAsync(name, InspectDeadline, CancellationToken.None);
            if (EngineAnswer.Text(state, "Id") is { } id && EngineAnswer.IsContainerId(id) && GroupOf(PidOf(state), id) is { } cgroup)
            {
                new CgroupFreezer(layout, new CgroupLimits(layout, cgroup, time), time).KillFrozen();
            }
        }
        catch (EngineException error) when (error.IsNotFound)
        {
            // Nothing can be paused in it.
        }
    }

    /// <summary>This process has nothing to do with the sandbox any more.</summary>
    internal void LetGo(string id) => _held.TryRemove(id, out _);

    /// <summary>Whether there is something that could not be removed.</summary>
    internal bool HasLeftovers => !_leftovers.IsEmpty;

    /// <summary>Removes what could not be removed while the engine was away.</summary>
    /// <param name="failed">Is told of each that still cannot be.</param>
    internal async Task RemoveLeftoversAsync(Action<string, IOException> failed)
    {
        foreach (var sandbox in _leftovers.Values)
        {
            await TryRemoveAsync(sandbox, failed);
        }
    }

    /// <summary>Removes what is left of sandboxes that are neither known nor held.</summary>
    /// <param name="known">Whom to leave alone.</param>
    /// <param name="failed">Is told of each that cannot be removed; the others still are.</param>
    /// <param name="cancellationToken">Stops before the next.</param>
    /// <exception cref="EngineException">The engine does not answer; nothing was removed.</exception>
    internal async Task<IReadOnlyList<string>> RemoveOrphansAsync(IReadOnlySet<string> known, Action<string, IOException> failed, CancellationToken cancellationToken)
    {
        var slots = _slots.Taken();
        IEnumerable<string> found = slots.Values;
        if (Directory.Exists(folders.Sandboxes))
        {
            found = found.Concat(Directory.EnumerateDirectories(folders.Sandboxes).Select(path => Path.GetFileName(path)));
        }

        found = found.Concat(await engine.ListAsync(DockerSandbox.OwnerLabel, options.StateFolder, DockerSandbox.IdLabel, cancellationToken));
        var removed = new List<string>();
        // A label is what somebody wrote: only what can be an id becomes a path.
        foreach (var id in found.Distinct().Where(id => SandboxIds.IsAllowed(id) && !known.Contains(id) && !_held.ContainsKey(id)).ToList())
        {
            cancellationToken.ThrowIfCancellationRequested();
            var owned = slots.Where(slot => slot.Value == id).Select(slot => slot.Key).DefaultIfEmpty(-1).ToList();
            var gone = true;
            foreach (var slot in owned)
            {
                gone &= await TryRemoveAsync(Find(id, slot), failed);
            }

            if (gone)
            {
                removed.Add(id);
            }
        }

        foreach (var (slot, _) in slots.Where(slot => slot.Value.Length == 0))
        {
            _slots.Free(slot, "");
        }

        if (_held.IsEmpty && !Directory.EnumerateFileSystemEntries(folders.Sandboxes).Any())
        {
            await shared.RemoveOthersAsync(time);
        }

        return removed;
    }

    /// <summary>How full a sandbox's disk is.</summary>
    internal DiskUse? Measure(DockerSandbox sandbox) => _disks.Measure(sandbox.Folders);

    /// <summary>Where the sandbox of an id lies, whether or not it exists.</summary>
    internal DockerSandbox Find(string id, int slot) => new(id, slot, folders.Of(id), DockerSandbox.NameOf(options.StateFolder, id));

    private static void MakeOwnFolders(string disk, uint uid)
    {
        foreach (var path in DockerPolicy.OwnFolders.Select(name => Path.Combine(disk, name)))
        {
            Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            SandboxDisks.Give(path, uid);
        }
    }

    /// <summary>A file that the sandbox can write to and, because it is mounted by itself, not replace.</summary>
    private static void MakeStdio(string path, uint uid)
    {
        File.Create(path).Dispose();
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        SandboxDisks.Give(path, uid);
    }

    private async Task<DockerPlace> OpenStartedAsync(DockerSandbox sandbox, string container, DockerImage image)
    {
        var state = await engine.InspectAsync(container, InspectDeadline, CancellationToken.None);
        var pid = PidOf(state);
        if (WatchedProcess.Open(pid) is not { } process)
        {
            throw new GatewayException(ErrorCode.KernelFailed, $"The container ended at once. {TextTail.Clean(EngineAnswer.Text(state, "State", "Error") ?? "")} {TextTail.OfFile(sandbox.Folders.Stdio)}".TrimEnd());
        }

        try
        {
            // Said by the engine, and believed only when the kernel of this host says the same: an engine elsewhere, or one that
            // lies, must not make any process of this host ours to kill.
            return GroupOf(pid, container) is { } cgroup
                ? Open(sandbox, container, cgroup, image.Label, process)
                : throw new GatewayException(ErrorCode.HostNotReady, $"The Docker engine at {engine.SocketPath} does not run its containers on this host: process {pid} here is not in the control group of container {container[..12]}. Use the engine of this host.");
        }
        catch
        {
            process.Dispose();
            throw;
        }
    }

    private static int PidOf(JsonElement state) => EngineAnswer.Number(state, "State", "Pid") is > 0 and <= int.MaxValue and var number ? (int)number : 0;

    /// <summary>The control group of a container's first process; <c>null</c> when this host has no such process, or it is another container's.</summary>
    private string? GroupOf(int pid, string container)
    {
        var file = $"/proc/{pid}/cgroup";
        try
        {
            return layout.GroupIn(File.ReadAllLines(file), "memory") is { } cgroup && cgroup.Contains(container, StringComparison.Ordinal) ? cgroup : null;
        }
        catch (IOException)
        {
            return null;
        }
    }

    private DockerPlace Open(DockerSandbox sandbox, string container, string cgroup, string image, WatchedProcess process)
    {
        try
        {
            return new DockerPlace(this, sandbox, container, cgroup, image, process)
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

    private async Task<bool> TryRemoveAsync(DockerSandbox sandbox, Action<string, IOException> failed)
    {
        try
        {
            await RemoveAsync(sandbox);
            return true;
        }
        catch (IOException error)
        {
            failed(sandbox.Id, error);
            return false;
        }
    }

    private async Task RemoveFailedAsync(string id, DockerSandbox? sandbox, Exception cause)
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
            // The next start or sweep will find it; both reasons are told.
            throw new GatewayException(ErrorCode.KernelFailed, $"{cause.Message} Besides, not all of it could be removed: {error.Message}", inner: cause);
        }
        finally
        {
            LetGo(id);
        }
    }
}
