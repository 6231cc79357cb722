using System.Collections.Concurrent;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Faults;
using KernelGateway.Provisioners.Native;
using KernelGateway.Provisioners.Oci;

namespace KernelGateway.Provisioners.Docker;

/// <summary>How containers go, with all that they had on the host.</summary>
internal sealed partial class DockerSite
{
    // What could not be removed because the engine was away.
    private readonly ConcurrentDictionary<string, DockerSandbox> _leftovers = new();

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
