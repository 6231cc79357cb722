using System.Globalization;

namespace KernelGateway.Provisioners.Containers;

/// <summary>Gives each live sandbox a range of user ids of its own. A slot is a file that names its sandbox; it outlives the gateway.</summary>
/// <param name="folder">Where the slot files lie.</param>
/// <param name="uidBase">First user id of slot 0.</param>
/// <param name="count">Number of slots.</param>
internal sealed class UidSlots(string folder, uint uidBase, int count)
{
    /// <summary>Three ids are mapped (0, 1000, 65534); the fourth keeps ranges aligned.</summary>
    internal const uint UidsPerSlot = 4;

    // A slot file is made and named under this lock, so that a sweep in this process never sees a file without its name
    // for any other reason than a crash. Between gateways O_EXCL decides.
    private readonly Lock _naming = new();

    // Only where to look first; the files decide. Moves on, so that a freed range rests before it is used again.
    private int _hint = -1;

    /// <summary>Takes a free slot for a sandbox, exclusively among all processes on this folder; <c>null</c> when all are taken.</summary>
    internal int? Take(string sandboxId)
    {
        Directory.CreateDirectory(folder);
        for (var tried = 0; tried < count; tried++)
        {
            var slot = (int)((uint)Interlocked.Increment(ref _hint) % (uint)count);
            lock (_naming)
            {
                try
                {
                    using var file = new StreamWriter(new FileStream(FileOf(slot), FileMode.CreateNew, FileAccess.Write));
                    file.Write(sandboxId);
                    return slot;
                }
                catch (IOException) when (File.Exists(FileOf(slot)))
                {
                    // Taken.
                }
            }
        }

        return null;
    }

    /// <summary>Frees a slot. Only after every file and process of its ids is gone: the next sandbox would own them.</summary>
    internal void Free(int slot, string sandboxId)
    {
        if (OwnerOf(slot) == sandboxId)
        {
            File.Delete(FileOf(slot));
        }
    }

    /// <summary>Slots of sandboxes, by number. The name is empty when a gateway ended between making a slot and naming it.</summary>
    internal IReadOnlyDictionary<int, string> Taken()
    {
        var taken = new Dictionary<int, string>();
        lock (_naming)
        {
            if (!Directory.Exists(folder))
            {
                return taken;
            }

            foreach (var path in Directory.EnumerateFiles(folder))
            {
                if (int.TryParse(Path.GetFileName(path), NumberStyles.None, CultureInfo.InvariantCulture, out var slot)
                    && OwnerOf(slot) is { } owner)
                {
                    taken[slot] = owner;
                }
            }
        }

        return taken;
    }

    /// <summary>The user id on the host that is 0 inside.</summary>
    internal uint RootUid(int slot) => uidBase + ((uint)slot * UidsPerSlot);

    /// <summary>The user id on the host that kernels have.</summary>
    internal uint KernelUid(int slot) => RootUid(slot) + 1;

    /// <summary>The user id on the host that is nobody inside.</summary>
    internal uint NobodyUid(int slot) => RootUid(slot) + 2;

    private string? OwnerOf(int slot)
    {
        try
        {
            return File.ReadAllText(FileOf(slot));
        }
        catch (IOException)
        {
            return null;
        }
    }

    private string FileOf(int slot) => Path.Combine(folder, slot.ToString(CultureInfo.InvariantCulture));
}
