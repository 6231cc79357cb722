using System.ComponentModel;
using System.Security.Cryptography;
using System.Text;
using KernelGateway.Provisioners.Native;

namespace KernelGateway.Provisioners.Containers;

/// <summary>What all sandboxes on one system see alike, read-only: its <c>/usr</c>, a generated <c>/etc</c> and a copy of the launcher.</summary>
/// <param name="System">Which system: <see cref="HostSystem"/>, or an image by name and digest.</param>
/// <param name="Usr">Its <c>/usr</c>, on the host.</param>
/// <param name="Etc">The generated <c>/etc</c>, on the host.</param>
/// <param name="Launcher">The copy of the launcher, on the host.</param>
/// <param name="Root">What belongs at the top of a sandbox's own disk.</param>
/// <remarks>Files are made once per content, in a folder named by its hash: an update of the gateway does not change them under running sandboxes.</remarks>
internal sealed record SharedFiles(string System, string Usr, string Etc, string Launcher, RootTree Root)
{
    internal const string HostSystem = "host";

    internal const string Hostname = "sandbox";
    internal const uint KernelUid = 1000;
    internal const uint NobodyUid = 65534;

    private const UnixFileMode ReadAll = UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
    private const UnixFileMode SearchAll = ReadAll | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    private static readonly TimeSpan CompileDeadline = TimeSpan.FromSeconds(60);

    /// <summary>Writes the files unless they are there already.</summary>
    /// <param name="parent">Folder for all versions.</param>
    /// <param name="launcher">The folder with the launcher's Python files.</param>
    /// <param name="python">The interpreter that will run them.</param>
    /// <param name="time">For deadlines.</param>
    /// <param name="system">The name of the system.</param>
    /// <param name="prefix">Where its <c>/usr</c> and <c>/etc</c> lie: nothing for the host's own, or the folder of a mounted image.</param>
    internal static async Task<SharedFiles> PrepareAsync(string parent, string launcher, string python, TimeProvider time, string system = HostSystem, string prefix = "")
    {
        var files = Collect(launcher, prefix);
        var links = Links(prefix);
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

        return new SharedFiles(system, $"{prefix}/usr", Path.Combine(folder, "etc"), Path.Combine(folder, "launcher"), TreeOf(prefix));
    }

    /// <summary>Removes all versions but this one. Only when no sandbox is left that may see another.</summary>
    internal async Task RemoveOthersAsync(TimeProvider time)
    {
        var mine = Path.GetDirectoryName(Etc)!;
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

    private static SortedDictionary<string, byte[]> Collect(string launcher, string prefix)
    {
        var files = new SortedDictionary<string, byte[]>(StringComparer.Ordinal);
        foreach (var (name, text) in GeneratedEtc())
        {
            files[$"etc/{name}"] = Encoding.UTF8.GetBytes(text);
        }

        // The loader's cache and the certificates: content of packages, the same for everybody. Nothing else of that /etc.
        foreach (var name in new[] { "ld.so.cache", "ssl/certs/ca-certificates.crt" })
        {
            if (File.Exists($"{prefix}/etc/{name}"))
            {
                files[$"etc/{name}"] = File.ReadAllBytes($"{prefix}/etc/{name}");
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

    private static RootTree TreeOf(string prefix)
    {
        var links = RootTree.SystemLinks.Where(name => Directory.Exists($"{prefix}/usr/{name}")).ToDictionary(name => name, name => $"usr/{name}");
        links["var/tmp"] = "/tmp";
        return new RootTree(links);
    }

    private static SortedDictionary<string, string> Links(string prefix)
    {
        var links = new SortedDictionary<string, string>(StringComparer.Ordinal) { ["etc/localtime"] = "/usr/share/zoneinfo/UTC" };

        // Debian's own programs go through these links; those that lead anywhere but /usr would dangle.
        if (Directory.Exists($"{prefix}/etc/alternatives"))
        {
            foreach (var link in new DirectoryInfo($"{prefix}/etc/alternatives").EnumerateFileSystemInfos())
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
    }
}
