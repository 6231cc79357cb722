using KernelGateway.Core.Policies;
using KernelGateway.Provisioners.Native;
using Microsoft.Win32.SafeHandles;

namespace KernelGateway.Provisioners.Oci;

/// <summary>Looks for what rules speak of in a folder of the host, which others may be changing: no link is followed, and depth and number are bounded.</summary>
internal static class FolderSurvey
{
    /// <summary>Some tenths of a second.</summary>
    internal const int MaxEntries = 100_000;

    private const int NoSuchEntry = 2;
    private const int NotAFolder = 20;
    private const int TooManyLinks = 40;

    /// <summary>What there is, with all folders on the way.</summary>
    /// <exception cref="IOException">It is too much, or cannot be read.</exception>
    internal static Dictionary<string, EntryKind> Of(SafeFileHandle folder, MountRules rules)
    {
        var found = new Dictionary<string, EntryKind>(StringComparer.Ordinal);
        foreach (var path in rules.Named)
        {
            var names = path.Split('/');
            for (var i = 1; i <= names.Length && TryLook(folder, string.Join('/', names[..i]), out var kind); i++)
            {
                if (kind == EntryKind.Link)
                {
                    // The rule would hold for the link, and what it leads to would be reached by its own path.
                    throw new IOException($"'{path}', which a rule names, is or leads through a symbolic link; name the place that it leads to");
                }

                found[string.Join('/', names[..i])] = kind;
            }
        }

        var waiting = new Queue<string>(rules.LooksInto("") ? [""] : []);
        while (waiting.TryDequeue(out var next))
        {
            foreach (var (name, kind) in List(folder, next))
            {
                var path = next.Length == 0 ? name : $"{next}/{name}";
                found[path] = kind;
                if (found.Count > MaxEntries)
                {
                    throw new IOException($"there are more than {MaxEntries} names to look through; mount a folder with fewer, or give plain paths instead of patterns");
                }

                if (kind == EntryKind.Folder && rules.LooksInto(path))
                {
                    waiting.Enqueue(path);
                }
            }
        }

        return found;
    }

    private static bool TryLook(SafeFileHandle folder, string path, out EntryKind kind)
    {
        kind = EntryKind.File;
        try
        {
            using var entry = DetachedMount.OpenBelow(folder, path);
            kind = FileIdentity.Of(entry).Kind;
            return true;
        }
        catch (IOException error) when (error.HResult is NoSuchEntry or NotAFolder or TooManyLinks)
        {
            return false;
        }
    }

    private static List<(string Name, EntryKind Kind)> List(SafeFileHandle folder, string path)
    {
        SafeFileHandle listed;
        try
        {
            listed = DetachedMount.OpenBelow(folder, path, LibC.OpenDirectory);
        }
        catch (IOException error) when (error.HResult is NoSuchEntry or NotAFolder or TooManyLinks)
        {
            return []; // Gone, or another thing, since it was listed.
        }

        using (listed)
        {
            var entries = new List<(string, EntryKind)>();
            foreach (var entry in new DirectoryInfo($"/proc/self/fd/{(int)listed.DangerousGetHandle()}/").EnumerateFileSystemInfos())
            {
                if (entry.Name.Contains('\uFFFD', StringComparison.Ordinal))
                {
                    throw new IOException($"a name in '{path}' is not UTF-8, so that no rule can speak of it; rename it");
                }

                entries.Add((entry.Name, entry.Attributes.HasFlag(FileAttributes.ReparsePoint) ? EntryKind.Link
                    : entry.Attributes.HasFlag(FileAttributes.Directory) ? EntryKind.Folder
                    : EntryKind.File));
                if (entries.Count > MaxEntries)
                {
                    break; // The caller says so.
                }
            }

            return entries;
        }
    }
}
