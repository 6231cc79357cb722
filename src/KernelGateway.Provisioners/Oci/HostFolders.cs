using System.Buffers.Text;
using System.Text;
using KernelGateway.Core.Environments;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Faults;
using KernelGateway.Core.Policies;
using KernelGateway.Provisioners.Containers;
using KernelGateway.Provisioners.Native;
using Microsoft.Win32.SafeHandles;

namespace KernelGateway.Provisioners.Oci;

/// <summary>
/// Folders of the host that an operator gives to sandboxes: each is mounted under its rules below the sandbox's own folder, and
/// from there goes inside as a whole. Files keep their owner on the host; through the mount he is the sandbox's user.
/// </summary>
internal sealed class HostFolders(ContainerFolders folders, OciProvisionerOptions options)
{
    private const int MaxSteps = 1024;
    private const ulong Always = DetachedMount.NoSetId | DetachedMount.NoDevices;
    private const UnixFileMode ReadAll = UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
    private const UnixFileMode SearchAll = ReadAll | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    private readonly Placeholders _placeholders = new(folders);

    /// <summary>Mounts all folders of an environment. What is made is taken back by <see cref="Remove"/>.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.HostNotReady"/>: one cannot be; the message does not name the host's path.</exception>
    internal async Task MountAsync(ContainerFolders.SandboxFolders sandbox, uint kernelUid, EnvironmentDefinition? environment)
    {
        for (var i = 0; i < (environment?.Mounts.Count ?? 0); i++)
        {
            var mount = environment!.Mounts[i];
            try
            {
                await MountAsync(sandbox, kernelUid, mount);
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                throw new GatewayException(
                    ErrorCode.HostNotReady,
                    $"The folder for '{mount.Target}' cannot be mounted: {error.Message.Replace(mount.Source, "the folder", StringComparison.Ordinal).TrimEnd('.')}. Its operator finds it at Gateway:Environments:{environment.Name}:Mounts:{i}.",
                    inner: error);
            }

            Fault.At("local.host_folder_mounted");
        }
    }

    /// <summary>Takes back what was made, after the mounts are gone.</summary>
    /// <exception cref="IOException">Something is still mounted, or a placeholder cannot be removed.</exception>
    internal void Remove(ContainerFolders.SandboxFolders sandbox)
    {
        if (Directory.Exists(sandbox.Host))
        {
            // One by one and only when empty: whatever comes after this removes all it finds, and must never find the operator's files.
            foreach (var folder in Directory.EnumerateDirectories(sandbox.Host).ToList())
            {
                Directory.Delete(folder);
            }

            Directory.Delete(sandbox.Host);
        }

        _placeholders.Release(sandbox);
    }

    /// <summary>How the folders go inside. Their flags are on them already, and what is mounted in them comes along.</summary>
    internal static IEnumerable<PolicyMount> Binds(ContainerFolders.SandboxFolders sandbox) => !Directory.Exists(sandbox.Host)
        ? []
        : Directory.EnumerateDirectories(sandbox.Host).Select(folder => new PolicyMount(TargetOf(folder), "bind", folder, [], ["rbind", "rprivate"]));

    /// <summary>What must be mounted inside for them, rules included.</summary>
    internal static IEnumerable<PolicyMount> MountsInside(ContainerFolders.SandboxFolders sandbox)
    {
        foreach (var mount in HostMounts.Below(sandbox.Host))
        {
            var rest = mount.MountPoint[(sandbox.Host.Length + 1)..];
            var slash = rest.IndexOf('/', StringComparison.Ordinal);
            yield return new PolicyMount(
                TargetOf(slash < 0 ? rest : rest[..slash]) + (slash < 0 ? "" : rest[slash..]),
                "bind",
                mount.MountPoint,
                [mount.Options[0], "nosuid", "nodev"],
                []);
        }
    }

    private async Task MountAsync(ContainerFolders.SandboxFolders sandbox, uint kernelUid, HostMount mount)
    {
        if (OwnFolders().Any(own => IsWithin(mount.Source, own) || IsWithin(own, mount.Source)))
        {
            throw new IOException("it overlaps a folder of the gateway itself");
        }

        using var source = DetachedMount.OpenFolder(mount.Source);
        var owner = FileIdentity.Of(source);
        if (mount.IsWritable && owner.Uid == 0)
        {
            throw new IOException("it belongs to root, and what sandboxes write would too; give it to an ordinary user (chown), or mount it for reading");
        }

        var rules = new MountRules(mount);
        var taken = _placeholders.UsedByOthers(sandbox);
        var found = FolderSurvey.Of(source, rules).Where(one => !taken.Contains($"{mount.Source}/{one.Key}")).ToDictionary();
        foreach (var path in rules.MustExist.Where(path => !found.ContainsKey(path)))
        {
            throw new IOException($"'{path}', which AllowWrite names, is not there");
        }

        var steps = rules.Plan(found);
        if (steps.Count > MaxSteps)
        {
            throw new IOException($"its rules need {steps.Count} mounts, more than {MaxSteps}; deny whole folders instead of what is in them");
        }

        _placeholders.Take(
            sandbox,
            mount.Source,
            source,
            [.. steps.Where(step => step.Action == MountAction.Block).Select(step => (step.Path, step.IsFolder))]);
        Fault.At("local.placeholders_made");

        var place = Path.Combine(sandbox.Host, Base64Url.EncodeToString(Encoding.UTF8.GetBytes(mount.Target)));
        Directory.CreateDirectory(place);
        File.SetUnixFileMode(sandbox.Host, SearchAll);
        using (var map = await IdMap.MakeAsync(owner.Uid, owner.Gid, kernelUid))
        using (var tree = DetachedMount.Clone(source))
        using (var over = DetachedMount.OpenFolder(place))
        {
            SetMapped(tree, rules.IsRootWritable ? Always : Always | DetachedMount.ReadOnly, map);
            DetachedMount.Attach(tree, over);
        }

        using var root = DetachedMount.OpenFolder(place);
        foreach (var step in steps)
        {
            Apply(step, root);
        }
    }

    /// <summary>What the gateway runs and keeps, as far as it is not in the data directory, which configuration is checked for.</summary>
    private IEnumerable<string> OwnFolders() =>
        new[] { folders.State, options.LauncherFolder, options.ImagesFolder, AppContext.BaseDirectory }.Where(folder => folder.Length > 0).Select(folder => Path.TrimEndingDirectorySeparator(folder));

    private static bool IsWithin(string path, string folder) => path == folder || path.StartsWith(folder + "/", StringComparison.Ordinal);

    private static void SetMapped(SafeFileHandle tree, ulong flags, SafeFileHandle map)
    {
        try
        {
            DetachedMount.Set(tree, flags, 0, map);
        }
        catch (IOException error)
        {
            throw new IOException($"its file system, or the kernel of the host, cannot map owners ({error.Message}); that takes Linux 5.12 and ext4, XFS, Btrfs or the like, not a network or overlay file system", error);
        }
    }

    private void Apply(MountStep step, SafeFileHandle root)
    {
        try
        {
            using var at = DetachedMount.OpenBelow(root, step.Path);
            using var from = step.Action is MountAction.Hide or MountAction.Block ? OpenBlank(FileIdentity.Of(at).Kind == EntryKind.Folder) : null;
            using var laid = DetachedMount.Clone(from ?? at);
            var flags = step.Action == MountAction.Open ? Always : Always | DetachedMount.ReadOnly;
            DetachedMount.Set(laid, flags, step.Action == MountAction.Open ? DetachedMount.ReadOnly : 0);
            DetachedMount.Attach(laid, at);
        }
        catch (IOException error)
        {
            throw new IOException($"'{step.Path}' in it cannot be protected ({error.Message}); if somebody is changing it just now, try again", error);
        }
    }

    private SafeFileHandle OpenBlank(bool isFolder)
    {
        var path = Path.Combine(folders.Blank, isFolder ? "folder" : "file");
        if (isFolder)
        {
            Directory.CreateDirectory(path);
        }
        else
        {
            File.Open(path, FileMode.OpenOrCreate).Dispose();
        }

        File.SetUnixFileMode(path, isFolder ? SearchAll : ReadAll);
        using var parent = DetachedMount.OpenFolder(folders.Blank);
        return DetachedMount.OpenBelow(parent, Path.GetFileName(path));
    }

    private static string TargetOf(string folder) => Encoding.UTF8.GetString(Base64Url.DecodeFromChars(Path.GetFileName(folder)));
}
