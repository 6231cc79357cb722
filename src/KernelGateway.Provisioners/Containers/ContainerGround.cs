using KernelGateway.Provisioners.Native;

namespace KernelGateway.Provisioners.Containers;

/// <summary>What sandboxes in containers have on this host, whoever makes the containers: a range of user ids, folders and disks.</summary>
/// <param name="layout">The host's control groups.</param>
/// <param name="folders">Where things lie.</param>
/// <param name="slots">The ranges of user ids.</param>
/// <param name="disks">Makes disks.</param>
/// <param name="time">The clock.</param>
internal sealed class ContainerGround(CgroupLayout layout, ContainerFolders folders, UidSlots slots, SandboxDisks disks, TimeProvider time)
{
    internal CgroupLayout Layout => layout;

    internal ContainerFolders Folders => folders;

    internal UidSlots Slots => slots;

    internal SandboxDisks Disks => disks;

    internal TimeProvider Time => time;

    /// <summary>Those that this process makes or holds.</summary>
    internal HeldPlaces Held { get; } = new();

    /// <summary>Whether no sandbox is here, so that what all of them share can go.</summary>
    internal bool IsUnused => Held.IsEmpty && !Directory.EnumerateFileSystemEntries(folders.Sandboxes).Any();

    /// <summary>Removes what a sandbox has here, when its container is gone.</summary>
    /// <exception cref="IOException">Something could not be removed.</exception>
    internal async Task RemoveAsync(ContainerSandbox sandbox)
    {
        await FolderRemoval.RemoveAsync(sandbox.Folders.Root, time);
        slots.Free(sandbox.Slot, sandbox.Id);
        Held.LetGo(sandbox.Id);
    }

    /// <summary>Removes what is left of sandboxes that are neither known nor held.</summary>
    /// <param name="containers">The ids of sandboxes whose containers there are.</param>
    /// <param name="known">Whom to leave alone.</param>
    /// <param name="remove">Removes one, by its id and slot.</param>
    /// <param name="failed">Is told of each that cannot be removed; the others still are.</param>
    /// <param name="cancellationToken">Stops before the next.</param>
    internal async Task<IReadOnlyList<string>> RemoveOrphansAsync(
        IReadOnlyList<string> containers, IReadOnlySet<string> known, Func<string, int, Task> remove, Action<string, IOException> failed, CancellationToken cancellationToken)
    {
        var taken = slots.Taken();
        var found = taken.Values.Concat(containers);
        if (Directory.Exists(folders.Sandboxes))
        {
            found = found.Concat(Directory.EnumerateDirectories(folders.Sandboxes).Select(path => Path.GetFileName(path)));
        }

        var removed = new List<string>();

        // Some of these names are what somebody wrote on a container: only what can be an id becomes a path.
        foreach (var id in found.Distinct().Where(id => SandboxIds.IsAllowed(id) && !known.Contains(id) && !Held.IsHeld(id)).ToList())
        {
            cancellationToken.ThrowIfCancellationRequested();
            try
            {
                foreach (var slot in taken.Where(slot => slot.Value == id).Select(slot => slot.Key).DefaultIfEmpty(-1).ToList())
                {
                    await remove(id, slot);
                }

                removed.Add(id);
            }
            catch (IOException error)
            {
                failed(id, error);
            }
        }

        foreach (var (slot, _) in taken.Where(slot => slot.Value.Length == 0))
        {
            slots.Free(slot, "");
        }

        return removed;
    }
}

/// <summary>What one sandbox in a container has on the host.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Slot">Its range of uids.</param>
/// <param name="Folders">Its folders.</param>
internal abstract record ContainerSandbox(string Id, int Slot, ContainerFolders.SandboxFolders Folders);
