namespace KernelGateway.Provisioners.Containers;

/// <summary>What lies at the top of a sandbox's own disk before anything is mounted over it.</summary>
/// <param name="Links">The links into <c>/usr</c>, by name.</param>
/// <remarks>
/// <c>/</c> and everything the system needs belong to root of the sandbox, which nobody inside can become. <c>/</c> is open and
/// sticky: whoever is inside can add names, but not rename or remove those of root, be it a link, a folder or a mount point.
/// </remarks>
internal sealed record RootTree(IReadOnlyDictionary<string, string> Links)
{
    /// <summary>Links into /usr; a name that this system does not use is taken all the same, so that nobody else can take it.</summary>
    internal static readonly string[] SystemLinks = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"];

    internal static readonly string[] SystemFolders =
        ["boot", "usr", "etc", "proc", "dev", "sys", "tmp", "run", "run/kg", "run/kg/s", "run/kg/log", "run/kg/net", "run/kg/launcher", "var"];

    private static readonly string[] UserFolders = ["workspace", "home"];

    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const UnixFileMode SearchAll = OwnerOnly | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;
    private const UnixFileMode OpenToAll = SearchAll | UnixFileMode.GroupWrite | UnixFileMode.OtherWrite | UnixFileMode.StickyBit;

    internal void Write(string root, uint rootUid, uint kernelUid)
    {
        foreach (var name in SystemFolders.Concat(SystemLinks.Where(name => !Links.ContainsKey(name))))
        {
            Make(Path.Combine(root, name), SearchAll, rootUid);
        }

        Make(Path.Combine(root, "root"), OwnerOnly, rootUid);
        foreach (var name in UserFolders)
        {
            Make(Path.Combine(root, name), OwnerOnly, kernelUid);
        }

        foreach (var (name, target) in Links)
        {
            var path = Path.Combine(root, name);
            File.CreateSymbolicLink(path, target);
            SandboxDisks.Give(path, rootUid);
        }

        // Runtimes give a tmpfs the mode of the folder that it covers, whatever "mode=" says.
        File.SetUnixFileMode(Path.Combine(root, "tmp"), OpenToAll);
        // What mkfs leaves.
        if (Directory.Exists(Path.Combine(root, "lost+found")))
        {
            Directory.Delete(Path.Combine(root, "lost+found"));
        }

        SandboxDisks.Give(root, rootUid);
        File.SetUnixFileMode(root, OpenToAll);
    }

    private static void Make(string path, UnixFileMode mode, uint uid)
    {
        Directory.CreateDirectory(path, mode);
        // The umask may have taken something away.
        File.SetUnixFileMode(path, mode);
        SandboxDisks.Give(path, uid);
    }
}
