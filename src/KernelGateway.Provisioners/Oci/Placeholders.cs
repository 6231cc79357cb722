using System.Text;
using System.Text.Json;
using KernelGateway.Core.Policies;
using KernelGateway.Provisioners.Containers;
using KernelGateway.Provisioners.Native;
using Microsoft.Win32.SafeHandles;

namespace KernelGateway.Provisioners.Oci;

/// <summary>
/// Empty files and folders that take a name in a folder of the host while sandboxes live that must not make it: only what exists
/// can be mounted over. A list beside the sandbox says which it uses, and is written first, so that they are found after any crash.
/// </summary>
internal sealed class Placeholders(ContainerFolders folders)
{
    private const int NoSuchEntry = 2;
    private const int NotAFolder = 20;
    private const int NotEmpty = 39;
    private const int TooManyLinks = 40;
    private const int RemoveFolder = 0x200;

    // Between finding that nobody else uses one and removing it, nobody may begin to.
    private readonly Lock _changing = new();

    /// <summary>Takes names, or shares those that another sandbox has taken.</summary>
    /// <param name="sandbox">Who needs them.</param>
    /// <param name="source">The folder on the host.</param>
    /// <param name="root">The same, opened.</param>
    /// <param name="wanted">Paths below it, and whether each is to be a folder.</param>
    /// <exception cref="IOException">One cannot be taken.</exception>
    internal void Take(ContainerFolders.SandboxFolders sandbox, string source, SafeFileHandle root, IReadOnlyList<(string Path, bool IsFolder)> wanted)
    {
        if (wanted.Count == 0)
        {
            return;
        }

        lock (_changing)
        {
            Write(sandbox.Placeholders, wanted.Select(one => $"{source}/{one.Path}"));
            foreach (var (path, isFolder) in wanted)
            {
                Make(root, path, isFolder);
            }
        }
    }

    /// <summary>The paths on the host that others have taken: whoever comes next is to see nothing there, and take them as well.</summary>
    internal IReadOnlySet<string> UsedByOthers(ContainerFolders.SandboxFolders sandbox) => Directory.EnumerateDirectories(folders.Sandboxes)
        .Where(folder => folder != sandbox.Root)
        .Select(folder => new ContainerFolders.SandboxFolders(folder).Placeholders)
        .SelectMany(Read)
        .ToHashSet(StringComparer.Ordinal);

    /// <summary>Removes those that no other sandbox uses. What somebody has put something into, or replaced, is not ours and stays.</summary>
    /// <exception cref="IOException">One cannot be removed.</exception>
    internal void Release(ContainerFolders.SandboxFolders sandbox)
    {
        if (!File.Exists(sandbox.Placeholders))
        {
            return;
        }

        lock (_changing)
        {
            var others = UsedByOthers(sandbox);
            foreach (var path in Read(sandbox.Placeholders).Where(path => !others.Contains(path)).Distinct().OrderByDescending(path => path.Length))
            {
                Remove(path);
            }

            File.Delete(sandbox.Placeholders);
        }
    }

    private static void Write(string list, IEnumerable<string> paths)
    {
        using var file = new FileStream(list, FileMode.Append, FileAccess.Write);
        file.Write(Encoding.UTF8.GetBytes(string.Concat(paths.Select(path => JsonSerializer.Serialize(path) + "\n"))));
        // Also over a power cut nothing is taken that no list names.
        file.Flush(flushToDisk: true);
    }

    private static IEnumerable<string> Read(string list)
    {
        try
        {
            // A last line without end is of a gateway that was killed before it had made anything of it.
            return [.. File.ReadAllLines(list).Where(line => line is ['"', .., '"']).Select(line => JsonSerializer.Deserialize<string>(line)!)];
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            return [];
        }
    }

    private static void Make(SafeFileHandle root, string path, bool isFolder)
    {
        const int CreateNew = 0x40 | 0x80 | 1; // O_CREAT, O_EXCL, O_WRONLY
        using var parent = DetachedMount.OpenBelow(root, Path.GetDirectoryName(path)!);
        var name = Path.GetFileName(path);
        try
        {
            if (isFolder)
            {
                DetachedMount.MakeFolder(parent, name);
            }
            else
            {
                DetachedMount.OpenBelow(parent, name, CreateNew).Dispose();
            }
        }
        catch (IOException error) when (error.HResult == LibC.Eexist && IsOurs(parent, name, out _))
        {
            // Another sandbox has taken it.
        }
        catch (IOException error)
        {
            throw new IOException($"the name '{path}' in it cannot be kept from being made ({error.Message})", error);
        }
    }

    private static void Remove(string path)
    {
        try
        {
            using var parent = DetachedMount.OpenFolder(Path.GetDirectoryName(path)!);
            if (IsOurs(parent, Path.GetFileName(path), out var isFolder))
            {
                DetachedMount.Unlink(parent, Path.GetFileName(path), isFolder ? RemoveFolder : 0);
            }
        }
        catch (IOException error) when (error.HResult is NoSuchEntry or NotAFolder or TooManyLinks or NotEmpty)
        {
            // Somebody has removed or replaced it, or the whole folder, or put something into it.
        }
    }

    private static bool IsOurs(SafeFileHandle parent, string name, out bool isFolder)
    {
        using var entry = DetachedMount.OpenBelow(parent, name);
        var identity = FileIdentity.Of(entry);
        isFolder = identity.Kind == EntryKind.Folder;
        return identity.Permissions == 0 && identity.Uid == LibC.GetEffectiveUid() && (isFolder || (identity.Kind == EntryKind.File && identity.Size == 0));
    }
}
