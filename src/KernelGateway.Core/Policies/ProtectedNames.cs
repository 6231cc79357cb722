namespace KernelGateway.Core.Policies;

/// <summary>What programs of the host run or obey when its user opens the folder; never writable from inside.</summary>
internal static class ProtectedNames
{
    internal const string Git = ".git";
    internal const string Claude = ".claude";

    private static readonly string[] Files =
        [".gitconfig", ".gitmodules", ".bashrc", ".bash_profile", ".zshrc", ".zprofile", ".profile", ".ripgreprc", ".mcp.json"];

    private static readonly string[] Folders = [".vscode", ".idea"];

    private static readonly (string Name, bool IsFolder)[] InGit = [("hooks", true), ("config", false)];

    private static readonly (string Name, bool IsFolder)[] InClaude = [("commands", true), ("agents", true)];

    /// <summary>Whether what is there under a path is protected.</summary>
    internal static bool Has(string path, EntryKind kind)
    {
        var slash = path.LastIndexOf('/');
        var name = path[(slash + 1)..];
        if (Files.Contains(name) || Folders.Contains(name))
        {
            return true;
        }

        // A file of that name, or a link, says where the real one is.
        if (name is Git or Claude)
        {
            return kind != EntryKind.Folder;
        }

        return slash > 0 && Within(path[..slash]).Any(one => one.Name == name);
    }

    /// <summary>Names that nobody may make at the top of what can be written. A folder that is missing altogether is not made either.</summary>
    internal static IEnumerable<(string Name, bool IsFolder)> AtTop() =>
        [.. Files.Select(name => (name, false)), .. Folders.Select(name => (name, true)), (Git, true), (Claude, true)];

    /// <summary>Names in an existing folder that are protected for what the folder is.</summary>
    internal static IEnumerable<(string Name, bool IsFolder)> Within(string folder) => folder[(folder.LastIndexOf('/') + 1)..] switch
    {
        Git => InGit,
        Claude => InClaude,
        _ => [],
    };
}
