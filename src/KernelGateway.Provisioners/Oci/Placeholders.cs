using System.Text.Json;
using KernelGateway.Provisioners.Native;
using Microsoft.Win32.SafeHandles;

namespace KernelGateway.Provisioners.Oci;

/// <summary>
/// Empty files and folders that take a name in a folder of the host while sandboxes live that must not make it: only what exists
/// can be mounted over. A list beside the sandbox says which it uses, and is written first, so that they are found after any crash.
/// </summary>
internal sealed class Placeholders(OciFolders folders)
{
    private const int NoSuchEntry = 2;
    private const int RemoveFolder = 0x200;

    // Between finding that nobody else uses one and removing it, nobody may begin to.
    private readonly SemaphoreSlim _changing = new(1, 1);

    /// <summary>Takes names, or shares those that another sandbox has taken.</summary>
    /// <param name="sandbox">Who needs them.</param>
    /// <param name="source">The folder on the host.</param>
    /// <param name="root">The same, opened.</param>
    /// <param name="wanted">Paths below it, and whether each is to be a folder.</param>
    /// <param name="existing">Names that exist and may be placeholders of others, which then must stay for this one too.</param>
    /// <exception cref="IOException">One cannot be taken.</exception>
    internal void Take(OciFolders.SandboxFolders sandbox, string source, SafeFileHandle root, IReadOnlyList<(string Path, bool IsFolder)> wanted, IReadOnlyList<string> existing)
    {
        _changing.Wait();
        try
        {
            var others = UsedByOthers(sandbox);
            var used = existing.Select(path => $"{source}/{path}").Where(others.Contains).Concat(wanted.Select(one => $"{source}/{one.Path}")).ToList();
            if (used.Count == 0)
            {
                return;
            }

            File.AppendAllLines(sandbox.Placeholders, used.Select(path => JsonSerializer.Serialize(path)));
            foreach (var (path, isFolder) in wanted)
            {
                Make(root, path, isFolder);
            }
        }
        finally
        {
            _changing.Release();
        }
    }

    /// <summary>Removes those that no other sandbox uses. What somebody has put something into, or replaced, is not ours and stays.</summary>
    /// <exception cref="IOException">One cannot be removed.</exception>
    internal void Release(OciFolders.SandboxFolders sandbox)
    {
        if (!File.Exists(sandbox.Placeholders))
        {
            return;
        }

        _changing.Wait();
        try
        {
            var others = UsedByOthers(sandbox);
            foreach (var path in Read(sandbox.Placeholders).Where(path => !others.Contains(path)).Distinct().OrderByDescending(path => path.Length))
            {
                Remove(path);
            }

            File.Delete(sandbox.Placeholders);
        }
        finally
        {
            _changing.Release();
        }
    }

    private HashSet<string> UsedByOthers(OciFolders.SandboxFolders sandbox) => [.. Directory.EnumerateDirectories(folders.Sandboxes)
        .Where(folder => folder != sandbox.Root)
        .Select(folder => new OciFolders.SandboxFolders(folder).Placeholders)
        .SelectMany(Read)];

    private static IEnumerable<string> Read(string list)
    {
        try
        {
            // A last line without end is of a gateway that was killed before it had made anything of it.
            return [.. File.ReadAllLines(list).Where(line => line.EndsWith('"')).Select(line => JsonSerializer.Deserialize<string>(line)!)];
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
        if (isFolder)
        {
            DetachedMount.MakeFolder(parent, name);
        }
        else
        {
            DetachedMount.OpenBelow(parent, name, CreateNew).Dispose();
        }
    }

    private static void Remove(string path)
    {
        try
        {
            using var parent = DetachedMount.OpenFolder(Path.GetDirectoryName(path)!);
            FileIdentity identity;
            using (var entry = DetachedMount.OpenBelow(parent, Path.GetFileName(path)))
            {
                identity = FileIdentity.Of(entry);
            }

            var isFolder = identity.Kind == Core.Policies.EntryKind.Folder;
            if (identity.Permissions == 0 && (isFolder || (identity.Kind == Core.Policies.EntryKind.File && identity.Size == 0)))
            {
                DetachedMount.Unlink(parent, Path.GetFileName(path), isFolder ? RemoveFolder : 0);
            }
        }
        catch (IOException error) when (error.HResult is NoSuchEntry)
        {
            // Somebody has removed it, or the whole folder.
        }
    }
}
