using System.Text;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Files;

namespace KernelGateway.Provisioners.Files;

/// <summary>How the paths of a place's files are written inside it, and what names below its root they mean.</summary>
/// <param name="above">The names that are above the root for code inside; none when it is its root.</param>
/// <param name="workFolder">Where relative paths start, below the root.</param>
/// <param name="closed">What is not given access to, below the root.</param>
internal sealed class PlacePaths(string above, string workFolder, IReadOnlyList<string> closed)
{
    // The name that the working folder has in other variants, so that the same program works with all.
    private const string Workspace = "workspace";

    private readonly string[] _above = Split(above);

    private readonly byte[][] _workFolder = [.. Split(workFolder).Select(Encoding.UTF8.GetBytes)];

    /// <summary>The names below the root that a path means.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.InvalidPath"/>: it leads to where no access is given.</exception>
    internal byte[][] Locate(SandboxPath path, string field)
    {
        byte[][] names = [.. path.IsAbsolute ? BelowRoot(path, field) : _workFolder.Concat(path.Names)];
        var shown = string.Join('/', names.Select(name => SandboxPath.Show(name)));
        return closed.FirstOrDefault(one => shown == one || shown.StartsWith(one + "/", StringComparison.Ordinal)) is not { } refused
            ? names
            : throw new GatewayException(ErrorCode.InvalidPath, $"'{field}' is in /{refused}, which belongs to the system and holds no files. Code in the sandbox can look at it.", field);
    }

    /// <summary>The same, of what is to be removed or moved away.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.InvalidPath"/>: also when the working folder would go with it.</exception>
    internal byte[][] LocateToTakeAway(SandboxPath path, string field)
    {
        var names = Locate(path, field);
        return names.Length == 0 || names.Length > _workFolder.Length || !names.Zip(_workFolder).All(pair => pair.First.AsSpan().SequenceEqual(pair.Second))
            ? names
            : throw new GatewayException(ErrorCode.InvalidPath, $"'{field}' is the working folder or one above it, {Show(names)}, which must stay. Name what is in it.", field);
    }

    /// <summary>How names below the root are written inside.</summary>
    internal string Show(IEnumerable<byte[]> names) => "/" + string.Join('/', _above.Concat(names.Select(name => SandboxPath.Show(name))));

    private IEnumerable<byte[]> BelowRoot(SandboxPath path, string field)
    {
        var names = path.Names.Select(name => SandboxPath.Show(name)).ToList();
        if (_above.Length == 0)
        {
            return names.Count > 0 && names[0] == Workspace ? _workFolder.Concat(path.Names.Skip(1)) : path.Names;
        }

        if (names.Count >= _above.Length && names.Take(_above.Length).SequenceEqual(_above))
        {
            return path.Names.Skip(_above.Length);
        }

        return names.Count > 0 && names[0] == Workspace
            ? path.Names.Skip(1)
            : throw new GatewayException(ErrorCode.InvalidPath, $"'{field}' is outside of the working folder {above} (also called /workspace). Here kernels run without isolation, and only files below it are given access to.", field);
    }

    private static string[] Split(string path) => path.Split('/', StringSplitOptions.RemoveEmptyEntries);
}
