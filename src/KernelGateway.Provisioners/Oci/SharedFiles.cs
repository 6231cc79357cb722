using System.ComponentModel;
using System.Security.Cryptography;
using System.Text;
using KernelGateway.Provisioners.Native;

namespace KernelGateway.Provisioners.Oci;

/// <summary>What all sandboxes see alike, read-only: the mount points of <c>/</c>, a generated <c>/etc</c> and a copy of the launcher.</summary>
/// <remarks>Made once per content and named by its hash: an update of the gateway does not change files under running sandboxes.</remarks>
internal sealed record SharedFiles(string Rootfs, string Etc, string Launcher)
{
    internal const string Hostname = "sandbox";
    internal const uint KernelUid = 1000;
    internal const uint NobodyUid = 65534;

    private const UnixFileMode ReadAll = UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
    private const UnixFileMode SearchAll = ReadAll | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    private static readonly TimeSpan CompileDeadline = TimeSpan.FromSeconds(60);

    private static readonly string[] MountPoints =
        ["usr", "etc", "proc", "dev", "sys", "tmp", "run", "run/kg", "run/kg/s", "run/kg/log", "run/kg/net", "run/kg/launcher", "workspace", "var", "home", "root"];

    /// <summary>Writes the files unless they are there already.</summary>
    /// <param name="parent">Folder for all versions.</param>
    /// <param name="launcher">The folder with the launcher's Python files.</param>
    /// <param name="python">The interpreter that will run them.</param>
    /// <param name="time">For deadlines.</param>
    internal static async Task<SharedFiles> PrepareAsync(string parent, string launcher, string python, TimeProvider time)
    {
        var files = Collect(launcher);
        var links = Links();
        var folder = Path.Combine(parent, HashOf(files, links));
        if (!Directory.Exists(folder))
        {
            // Complete or not at all: another process may be doing the same.
            var unfinished = Path.Combine(parent, $".{Guid.NewGuid():N}");
            Write(unfinished, files, links);
            await CompileAsync(Path.Combine(unfinished, "launcher"), python, time);
            try
            {
                Directory.Move(unfinished, folder);
            }
            catch (IOException) when (Directory.Exists(folder))
            {
                Directory.Delete(unfinished, recursive: true);
            }
        }

        return new SharedFiles(Path.Combine(folder, "rootfs"), Path.Combine(folder, "etc"), Path.Combine(folder, "launcher"));
    }

    /// <summary>Removes all versions but this one. Only when no sandbox is left that may see another.</summary>
    internal async Task RemoveOthersAsync(TimeProvider time)
    {
        var mine = Path.GetDirectoryName(Rootfs)!;
        foreach (var other in Directory.EnumerateDirectories(Path.GetDirectoryName(mine)!).Where(folder => folder != mine).ToList())
        {
            await FolderRemoval.RemoveAsync(other, time);
        }
    }

    /// <summary>Sandboxes cannot write there, so that otherwise each start would compile anew. Failure costs only that.</summary>
    private static async Task CompileAsync(string folder, string python, TimeProvider time)
    {
        try
        {
            await ExternalProgram.RunAsync(python, ["-I", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", folder], CompileDeadline, time);
            foreach (var file in Directory.EnumerateFiles(folder, "*.pyc", SearchOption.AllDirectories))
            {
                File.SetUnixFileMode(file, ReadAll);
            }

            foreach (var cache in Directory.EnumerateDirectories(folder, "*", SearchOption.AllDirectories))
            {
                File.SetUnixFileMode(cache, SearchAll);
            }
        }
        catch (Exception error) when (error is Win32Exception or TimeoutException)
        {
            // The interpreter's own check says what is wrong with it.
        }
    }

    private static SortedDictionary<string, byte[]> Collect(string launcher)
    {
        var files = new SortedDictionary<string, byte[]>(StringComparer.Ordinal);
        foreach (var (name, text) in GeneratedEtc())
        {
            files[$"etc/{name}"] = Encoding.UTF8.GetBytes(text);
        }

        // The loader's cache and the certificates: content of packages, the same for everybody. Nothing else of the host's /etc.
        foreach (var name in new[] { "ld.so.cache", "ssl/certs/ca-certificates.crt" })
        {
            if (File.Exists($"/etc/{name}"))
            {
                files[$"etc/{name}"] = File.ReadAllBytes($"/etc/{name}");
            }
        }

        foreach (var path in Directory.EnumerateFiles(launcher, "*.py"))
        {
            files[$"launcher/{Path.GetFileName(path)}"] = File.ReadAllBytes(path);
        }

        return files;
    }

    private static Dictionary<string, string> GeneratedEtc() => new()
    {
        ["passwd"] = $"root:x:0:0:root:/nonexistent:/usr/sbin/nologin\nkernel:x:{KernelUid}:{KernelUid}:kernel:/workspace:/bin/bash\nnobody:x:{NobodyUid}:{NobodyUid}:nobody:/nonexistent:/usr/sbin/nologin\n",
        ["group"] = $"root:x:0:\nkernel:x:{KernelUid}:\nnogroup:x:{NobodyUid}:\n",
        ["hosts"] = $"127.0.0.1 localhost {Hostname}\n::1 localhost\n",
        ["hostname"] = $"{Hostname}\n",
        ["resolv.conf"] = "",
        ["machine-id"] = "",
        ["nsswitch.conf"] = "passwd: files\ngroup: files\nhosts: files dns\n",
        ["shells"] = "/bin/sh\n/bin/bash\n",
        ["profile"] = "",
        ["bash.bashrc"] = "",
        ["inputrc"] = "",
        ["mime.types"] = "",
        // Without it, whatever looks for fonts, as Matplotlib does, complains on standard error of user code.
        ["fonts/fonts.conf"] = "<?xml version=\"1.0\"?>\n<fontconfig><dir>/usr/share/fonts</dir><cachedir prefix=\"xdg\">fontconfig</cachedir></fontconfig>\n",
    };

    private static SortedDictionary<string, string> Links()
    {
        var links = new SortedDictionary<string, string>(StringComparer.Ordinal)
        {
            ["etc/localtime"] = "/usr/share/zoneinfo/UTC",
            ["rootfs/var/tmp"] = "/tmp",
        };
        foreach (var name in new[] { "bin", "sbin", "lib", "lib32", "lib64", "libx32" })
        {
            if (Directory.Exists($"/usr/{name}"))
            {
                links[$"rootfs/{name}"] = $"usr/{name}";
            }
        }

        // Debian's own programs go through these links; those that lead anywhere but /usr would dangle.
        if (Directory.Exists("/etc/alternatives"))
        {
            foreach (var link in new DirectoryInfo("/etc/alternatives").EnumerateFileSystemInfos())
            {
                if (link.LinkTarget is { } target && target.StartsWith("/usr/", StringComparison.Ordinal))
                {
                    links[$"etc/alternatives/{link.Name}"] = target;
                }
            }
        }

        return links;
    }

    private static string HashOf(SortedDictionary<string, byte[]> files, SortedDictionary<string, string> links)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        void Add(ReadOnlySpan<byte> bytes)
        {
            hash.AppendData(BitConverter.GetBytes(bytes.Length));
            hash.AppendData(bytes);
        }

        foreach (var point in MountPoints)
        {
            Add(Encoding.UTF8.GetBytes(point));
        }

        foreach (var (name, content) in files)
        {
            Add(Encoding.UTF8.GetBytes(name));
            Add(content);
        }

        foreach (var (name, target) in links)
        {
            Add(Encoding.UTF8.GetBytes($"{name} -> {target}"));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset())[..16];
    }

    private static void Write(string folder, SortedDictionary<string, byte[]> files, SortedDictionary<string, string> links)
    {
        foreach (var point in MountPoints)
        {
            Directory.CreateDirectory(Path.Combine(folder, "rootfs", point));
        }

        foreach (var (name, content) in files)
        {
            var path = Path.Combine(folder, name);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllBytes(path, content);
            File.SetUnixFileMode(path, ReadAll);
        }

        foreach (var (name, target) in links)
        {
            var path = Path.Combine(folder, name);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.CreateSymbolicLink(path, target);
        }

        foreach (var directory in Directory.EnumerateDirectories(folder, "*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint }).Append(folder))
        {
            File.SetUnixFileMode(directory, SearchAll);
        }

        // runc 1.1 gives a tmpfs the mode of the folder that it covers, whatever "mode=" says.
        File.SetUnixFileMode(Path.Combine(folder, "rootfs", "tmp"), SearchAll | UnixFileMode.GroupWrite | UnixFileMode.OtherWrite | UnixFileMode.StickyBit);
    }
}
