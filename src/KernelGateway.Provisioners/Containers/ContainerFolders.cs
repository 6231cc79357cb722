using KernelGateway.Provisioners.Native;

namespace KernelGateway.Provisioners.Containers;

/// <summary>Where things lie below the state folder.</summary>
/// <param name="state">The state folder.</param>
/// <param name="ours">The uppermost folder on the way to it that the gateway owns; <c>null</c> when only the state folder is.</param>
internal sealed class ContainerFolders(string state, string? ours)
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>Searchable, not listable, by everybody: the first process of a sandbox goes through with a mapped uid.</summary>
    private const UnixFileMode Searchable = OwnerOnly | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    internal string State => state;

    internal string Runtime => Path.Combine(state, "runtime");

    internal string Images => Path.Combine(state, "images");

    internal string Slots => Path.Combine(state, "slots");

    internal string Shared => Path.Combine(state, "shared");

    internal string Sandboxes => Path.Combine(state, "sandboxes");

    /// <summary>An empty file and an empty folder, to lay over what nobody inside may see.</summary>
    internal string Blank => Path.Combine(state, "blank");

    internal SandboxFolders Of(string sandboxId) => new(Path.Combine(Sandboxes, sandboxId));

    /// <summary>Makes what every sandbox needs.</summary>
    internal void Create()
    {
        foreach (var folder in Ancestors().Where(IsOurs).Reverse())
        {
            Directory.CreateDirectory(folder, OwnerOnly);
            File.SetUnixFileMode(folder, File.GetUnixFileMode(folder) | UnixFileMode.OtherExecute);
        }

        foreach (var (folder, mode) in new[] { (state, Searchable), (Sandboxes, Searchable), (Shared, Searchable), (Images, Searchable), (Blank, OwnerOnly), (Slots, OwnerOnly), (Runtime, OwnerOnly) })
        {
            Make(folder, mode);
        }
    }

    /// <summary>A folder on the way to the state folder that others cannot pass and that is not ours to open; <c>null</c> when the way is free.</summary>
    internal string? FindBarrier() => Ancestors()
        .FirstOrDefault(folder => !IsOurs(folder) && Directory.Exists(folder) && !File.GetUnixFileMode(folder).HasFlag(UnixFileMode.OtherExecute));

    private IEnumerable<string> Ancestors()
    {
        for (var folder = Path.GetDirectoryName(state); folder is not null; folder = Path.GetDirectoryName(folder))
        {
            yield return folder;
        }
    }

    private bool IsOurs(string folder) => ours is not null && (folder + "/").StartsWith(ours.TrimEnd('/') + "/", StringComparison.Ordinal);

    private static void Make(string folder, UnixFileMode mode)
    {
        Directory.CreateDirectory(folder, mode);
        // The umask may have taken something away.
        File.SetUnixFileMode(folder, mode);
    }

    /// <summary>What belongs to one sandbox.</summary>
    internal sealed class SandboxFolders(string root)
    {
        internal string Root => root;

        internal string Bundle => Path.Combine(root, "bundle");

        /// <summary>The sandbox's <c>/</c>.</summary>
        internal string Disk => Path.Combine(root, "disk");

        internal string DiskImage => Path.Combine(root, "disk.img");

        /// <summary>What the sandbox and the gateway share.</summary>
        internal string Run => Path.Combine(root, "run");

        internal string RunImage => Path.Combine(root, "run.img");

        internal string Sockets => Path.Combine(Run, "s");

        internal string Logs => Path.Combine(Run, "logs");

        /// <summary>The host's folders that it gets, mounted under its rules; one folder each, named for its place inside.</summary>
        internal string Host => Path.Combine(root, "host");

        /// <summary>Names that were taken in folders of the host so that nobody inside can make them.</summary>
        internal string Placeholders => Path.Combine(root, "placeholders");

        /// <summary>Of root; the sandbox's group may look into it.</summary>
        internal string Egress => Path.Combine(root, "net");

        internal string PidFile => Path.Combine(root, "pid");

        /// <summary>What the runtime and the first processes of the container said. Of root, 0600: nobody inside can reopen it; and no larger than the disk it lies on.</summary>
        internal string Stdio => Path.Combine(Run, "stdio");

        /// <exception cref="IOException">There is a sandbox of that id already, or the disk is full.</exception>
        internal void Create(uint kernelUid)
        {
            if (Directory.Exists(root))
            {
                throw new IOException($"{root} exists already.");
            }

            Make(root, Searchable);
            Make(Bundle, OwnerOnly);
            Make(Disk, Searchable);
            Make(Run, Searchable);
            Make(Egress, OwnerOnly | UnixFileMode.GroupRead | UnixFileMode.GroupExecute);
            if (LibC.LChown(Egress, LibC.SameOwner, kernelUid) != 0)
            {
                throw new IOException($"{Egress} could not be given to group {kernelUid}.");
            }
        }
    }
}
