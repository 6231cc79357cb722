namespace KernelGateway.Core.Policies;

/// <summary>What a name in a folder is.</summary>
public enum EntryKind
{
    /// <summary>A file, or anything else that is neither of the others.</summary>
    File,

    /// <summary>A folder.</summary>
    Folder,

    /// <summary>A symbolic link, which is never followed.</summary>
    Link,
}

/// <summary>What is laid over a path of a mounted folder.</summary>
public enum MountAction
{
    /// <summary>Itself, writable: it may be written, or it keeps a folder above a protected one from being renamed.</summary>
    Open,

    /// <summary>Itself, read-only.</summary>
    Lock,

    /// <summary>Something empty and read-only.</summary>
    Hide,

    /// <summary>The same, over a name that is not there yet and so cannot be made.</summary>
    Block,
}

/// <summary>One step of mounting a folder.</summary>
/// <param name="Path">Below the folder.</param>
/// <param name="Action">What to lay over it.</param>
/// <param name="IsFolder">Whether it is, or is to be, a folder.</param>
public sealed record MountStep(string Path, MountAction Action, bool IsFolder);

/// <summary>The rules of one mounted folder, as decisions about what was found in it. Touches no file.</summary>
public sealed class MountRules
{
    /// <summary>How deep protected names are looked for: a name directly in the folder is at depth 1.</summary>
    public const int SearchDepth = 4;

    /// <summary>How deep patterns are looked for.</summary>
    public const int PatternDepth = 16;

    private readonly bool _isWritable;
    private readonly List<PathPattern> _denyRead;
    private readonly List<PathPattern> _denyWrite;
    private readonly List<PathPattern> _allowWrite;

    /// <summary>Makes the rules of a mount that has been validated.</summary>
    public MountRules(HostMount mount)
    {
        ArgumentNullException.ThrowIfNull(mount);
        _isWritable = mount.IsWritable;
        _denyRead = [.. mount.DenyRead.Select(PathPattern.Parse)];
        _denyWrite = [.. mount.DenyWrite.Select(PathPattern.Parse)];
        _allowWrite = [.. mount.AllowWrite.DefaultIfEmpty(".").Select(PathPattern.Parse)];
        HasPatterns = _denyRead.Concat(_denyWrite).Any(pattern => !pattern.IsLiteral);
    }

    private enum Treatment
    {
        ReadOnly,
        Writable,
        Locked,
        Hidden,
    }

    /// <summary>True when the folder itself may be written.</summary>
    public bool IsRootWritable => Root == Treatment.Writable;

    /// <summary>True when what is in the folder must be looked through to know what a rule means.</summary>
    public bool HasPatterns { get; }

    /// <summary>The paths that rules name, to be looked up whatever their depth.</summary>
    public IEnumerable<string> Named => _denyRead.Concat(_denyWrite).Concat(_allowWrite).Where(pattern => pattern.IsLiteral && pattern.Path.Length > 0).Select(pattern => pattern.Path).Distinct();

    /// <summary>The paths that may be written and must therefore exist.</summary>
    public IEnumerable<string> MustExist => _isWritable ? _allowWrite.Select(pattern => pattern.Path).Where(path => path.Length > 0) : [];

    private Treatment Root => _isWritable && _allowWrite.Any(pattern => pattern.Path.Length == 0) ? Treatment.Writable : Treatment.ReadOnly;

    /// <summary>Whether to look into a folder that was found.</summary>
    public bool LooksInto(string folder)
    {
        ArgumentNullException.ThrowIfNull(folder);
        var depth = folder.Length == 0 ? 0 : folder.Count(letter => letter == '/') + 1;
        if (HasPatterns)
        {
            return depth < PatternDepth;
        }

        // Objects of git and installed packages are many, and nobody opens them as a project.
        var names = folder.Split('/');
        return _isWritable
            && (ProtectedNames.Within(folder).Any() || (depth < SearchDepth && !names.Contains(ProtectedNames.Git) && !names.Contains("node_modules")));
    }

    /// <summary>Says what to lay over what, those above before those below.</summary>
    /// <param name="found">What is in the folder, with all folders on the way.</param>
    public IReadOnlyList<MountStep> Plan(IReadOnlyDictionary<string, EntryKind> found)
    {
        ArgumentNullException.ThrowIfNull(found);
        var treatments = new Dictionary<string, Treatment>(StringComparer.Ordinal) { [""] = Root };
        var steps = new Dictionary<string, MountStep>(StringComparer.Ordinal);
        foreach (var (path, kind) in found.OrderBy(one => Depth(one.Key)))
        {
            var above = treatments[Parent(path)];
            var here = treatments[path] = Of(path, kind, above);
            if (here == Treatment.Hidden ? above != Treatment.Hidden : (here == Treatment.Writable) != (above == Treatment.Writable))
            {
                var action = here == Treatment.Writable ? MountAction.Open : here == Treatment.Hidden || kind == EntryKind.Link ? MountAction.Hide : MountAction.Lock;
                steps[path] = new MountStep(path, action, kind == EntryKind.Folder);
            }
        }

        foreach (var (path, isFolder) in Missing(found, treatments))
        {
            steps.TryAdd(path, new MountStep(path, MountAction.Block, isFolder));
        }

        // A mount point cannot be renamed, a folder above it could be, and another be put in its place.
        foreach (var pinned in steps.Keys.SelectMany(Ancestors).Where(folder => treatments[folder] == Treatment.Writable).Distinct().ToList())
        {
            steps.TryAdd(pinned, new MountStep(pinned, MountAction.Open, true));
        }

        return [.. steps.Values.OrderBy(step => Depth(step.Path)).ThenBy(step => step.Path, StringComparer.Ordinal)];
    }

    private Treatment Of(string path, EntryKind kind, Treatment above) =>
        above == Treatment.Hidden || _denyRead.Any(pattern => pattern.Matches(path)) ? Treatment.Hidden
        : !_isWritable ? Treatment.ReadOnly
        : above == Treatment.Locked || ProtectedNames.Has(path, kind) || _denyWrite.Any(pattern => pattern.Matches(path)) ? Treatment.Locked
        : _allowWrite.Any(pattern => pattern.Contains(path)) ? Treatment.Writable
        : above;

    /// <summary>Names that are not there, in folders that can be written, and that must not appear: the uppermost part of each that is missing.</summary>
    private IEnumerable<(string Path, bool IsFolder)> Missing(IReadOnlyDictionary<string, EntryKind> found, Dictionary<string, Treatment> treatments)
    {
        IEnumerable<(string Path, bool IsFolder)> wanted =
        [
            .. _allowWrite.SelectMany(top => ProtectedNames.AtTop().Select(one => (Join(top.Path, one.Name), one.IsFolder))),
            .. found.Where(one => one.Value == EntryKind.Folder).SelectMany(one => ProtectedNames.Within(one.Key).Select(inner => (Join(one.Key, inner.Name), inner.IsFolder))),
            .. _denyWrite.Where(pattern => pattern.IsLiteral).Select(pattern => (pattern.Path, false)),
        ];
        foreach (var (path, isFolder) in wanted.Where(one => !found.ContainsKey(one.Path)))
        {
            var first = Ancestors(path).Reverse().FirstOrDefault(folder => !found.ContainsKey(folder));
            var parent = Parent(first ?? path);
            if ((parent.Length == 0 || found[parent] == EntryKind.Folder) && treatments[parent] == Treatment.Writable)
            {
                yield return (first ?? path, isFolder || first is not null);
            }
        }
    }

    private static int Depth(string path) => path.Count(letter => letter == '/');

    private static string Join(string folder, string name) => folder.Length == 0 ? name : $"{folder}/{name}";

    private static string Parent(string path) => path.LastIndexOf('/') is > 0 and var slash ? path[..slash] : "";

    /// <summary>The folders above a path, nearest first, without the mounted one itself.</summary>
    private static IEnumerable<string> Ancestors(string path)
    {
        for (var folder = Parent(path); folder.Length > 0; folder = Parent(folder))
        {
            yield return folder;
        }
    }
}
