using System.Collections.Concurrent;
using KernelGateway.Core.Faults;
using KernelGateway.Provisioners.Containers;

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
        await ground.RemoveAsync(sandbox);
        _leftovers.TryRemove(sandbox.Id, out _);
    }

    /// <summary>Ends one that was paused by a gateway that has forgotten it: version 1 of control groups ends nothing that is frozen, whoever asks.</summary>
    private async Task KillPausedAsync(string name)
    {
        try
        {
            var state = await engine.InspectAsync(name, InspectDeadline, CancellationToken.None);
            if (EngineAnswer.Text(state, "Id") is { } id && EngineAnswer.IsContainerId(id) && GroupOf(PidOf(state), id) is { } cgroup)
            {
                new CgroupFreezer(ground.Layout, new CgroupLimits(ground.Layout, cgroup, ground.Time), ground.Time).KillFrozen();
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
            try
            {
                await RemoveAsync(sandbox);
            }
            catch (IOException error)
            {
                failed(sandbox.Id, error);
            }
        }
    }

    /// <summary>Removes what is left of sandboxes that are neither known nor held.</summary>
    /// <param name="known">Whom to leave alone.</param>
    /// <param name="failed">Is told of each that cannot be removed; the others still are.</param>
    /// <param name="cancellationToken">Stops before the next.</param>
    /// <exception cref="EngineException">The engine does not answer; nothing was removed.</exception>
    internal async Task<IReadOnlyList<string>> RemoveOrphansAsync(IReadOnlySet<string> known, Action<string, IOException> failed, CancellationToken cancellationToken)
    {
        var labelled = await engine.ListAsync(DockerSandbox.OwnerLabel, options.StateFolder, DockerSandbox.IdLabel, cancellationToken);
        var removed = await ground.RemoveOrphansAsync(labelled, known, (id, slot) => RemoveAsync(Find(id, slot)), failed, cancellationToken);
        if (ground.IsUnused)
        {
            await shared.RemoveOthersAsync(ground.Time);
        }

        return removed;
    }
}
