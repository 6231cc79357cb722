using System.Text;
using KernelGateway.Core.Sandboxes;
using Microsoft.Extensions.Options;

namespace KernelGateway.Core.Policies;

/// <summary>Says of each wrong mount how to put it right; all of them at once. Whether a source exists is looked at when a sandbox starts.</summary>
/// <param name="data">Where the gateway keeps its state, which no mount may show.</param>
public sealed class HostMountOptionsValidator(IOptions<DataOptions> data) : IValidateOptions<HostMountOptions>
{
    private const int MaxMounts = 16;
    private const int MaxRules = 64;

    // It names a folder of the gateway while the sandbox lives, in an encoding that makes it longer.
    private const int MaxTargetBytes = 128;

    /// <summary>Names at the top of a sandbox that belong to its system.</summary>
    internal static readonly string[] SystemNames =
        ["bin", "sbin", "lib", "lib32", "lib64", "libx32", "boot", "usr", "etc", "proc", "dev", "sys", "tmp", "run", "var", "root", "lost+found"];

    /// <summary>Nothing of these is given to anybody: the host's kernel, its programs, its settings, its administrator.</summary>
    private static readonly string[] ClosedTrees =
        ["/proc", "/sys", "/dev", "/etc", "/root", "/boot", "/run", "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/var/run", "/var/log", "/var/spool", "/var/lib/docker", "/var/lib/containerd", "/lost+found"];

    /// <summary>Folders of everybody: what is in them may be mounted, they themselves not.</summary>
    private static readonly string[] ClosedFolders = ["/home", "/var", "/var/lib", "/var/tmp", "/var/cache", "/tmp", "/opt", "/srv", "/mnt", "/media"];

    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, HostMountOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        var wrong = new List<string>();
        foreach (var (environment, added) in options.Environments)
        {
            var section = $"Gateway:Environments:{environment}:Mounts";
            if (added.Mounts.Count > MaxMounts)
            {
                wrong.Add($"{section} has {added.Mounts.Count} mounts; give at most {MaxMounts}.");
            }

            for (var i = 0; i < added.Mounts.Count; i++)
            {
                var mount = added.Mounts[i];
                wrong.AddRange(Problems(mount).Select(problem => $"{section}:{i}:{problem}"));
                if (added.Mounts.Take(i).FirstOrDefault(other => Overlap(other.Target, mount.Target)) is { } first)
                {
                    wrong.Add($"{section}:{i}:Target is '{mount.Target}', which overlaps '{first.Target}' of another mount; give folders that are not within each other.");
                }
            }
        }

        return wrong.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(wrong);
    }

    private IEnumerable<string> Problems(HostMount mount)
    {
        if (SourceProblem(mount.Source) is { } source)
        {
            yield return $"Source is '{mount.Source}', {source}";
        }

        if (TargetProblem(mount.Target) is { } target)
        {
            yield return $"Target is '{mount.Target}', {target}";
        }

        if (!mount.IsWritable && !string.Equals(mount.Access, "read", StringComparison.OrdinalIgnoreCase))
        {
            yield return $"Access is '{mount.Access}'; give read or write.";
        }

        if (!mount.IsWritable && mount.AllowWrite.Concat(mount.DenyWrite).Any())
        {
            yield return "Access is 'read', so that AllowWrite and DenyWrite mean nothing; remove them or give write.";
        }

        foreach (var (key, rules, patterns) in new[] { ("DenyRead", mount.DenyRead, true), ("DenyWrite", mount.DenyWrite, true), ("AllowWrite", mount.AllowWrite, false) })
        {
            if (rules.Count > MaxRules)
            {
                yield return $"{key} has {rules.Count} entries; give at most {MaxRules}.";
            }

            foreach (var rule in rules)
            {
                if (!PathPattern.TryParse(rule, out var pattern, out var problem))
                {
                    yield return $"{key} has '{rule}', which {problem}.";
                }
                else if (!patterns && !pattern.IsLiteral)
                {
                    yield return $"{key} has '{rule}', which is a pattern; give plain paths, which must exist.";
                }
                else if (patterns && (pattern.Path.Length == 0 || pattern.Path == "**"))
                {
                    yield return $"{key} has '{rule}', which is everything; {(key == "DenyRead" ? "remove the mount" : "give the access read")} instead.";
                }
            }
        }
    }

    private string? SourceProblem(string source)
    {
        const string Give = "give the absolute path of a folder without '.', '..' or a slash at its end, for example /srv/projects/demo.";
        var state = string.IsNullOrEmpty(data.Value.DataDirectory) ? DataOptions.Default : Path.TrimEndingDirectorySeparator(Path.GetFullPath(data.Value.DataDirectory));
        return !IsPlain(source) ? Give
            : ClosedTrees.FirstOrDefault(tree => IsWithin(source, tree)) is { } closed ? $"which is in {closed} and belongs to the host's system; {Give}"
            : ClosedFolders.Contains(source) ? $"which holds more than one owner's files; give a folder in it, for example {source}/demo."
            : IsWithin(source, state) || IsWithin(state, source) ? $"which overlaps the gateway's own data directory {state}; {Give}"
            : null;
    }

    private static string? TargetProblem(string target)
    {
        const string Give = "give an absolute path inside, for example /workspace/project or /data.";
        return !IsPlain(target) || Encoding.UTF8.GetByteCount(target) > MaxTargetBytes ? $"{Give[..^1]}, of at most {MaxTargetBytes} bytes."
            : SystemNames.Contains(target.Split('/')[1]) ? $"which is a folder of the sandbox's system; {Give}"
            : null;
    }

    private static bool IsPlain(string path) =>
        path.Length > 1 && path[0] == '/' && !path.Any(char.IsControl) && path[1..].Split('/').All(part => part is not ("" or "." or ".."));

    private static bool Overlap(string one, string other) => IsWithin(one, other) || IsWithin(other, one);

    private static bool IsWithin(string path, string folder) => path == folder || path.StartsWith(folder + "/", StringComparison.Ordinal);
}
