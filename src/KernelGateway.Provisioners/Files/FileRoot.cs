using System.Runtime.InteropServices;
using System.Text;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Files;
using KernelGateway.Provisioners.Native;
using Microsoft.Win32.SafeHandles;

namespace KernelGateway.Provisioners.Files;

/// <summary>Where the files of a place begin on the host, and how their paths are written inside.</summary>
/// <param name="hostPath">The folder on the host; trusted, and opened anew for every call.</param>
/// <param name="above">The names that are above it for code inside; none when it is its root.</param>
/// <param name="workFolder">Where relative paths start, below the root.</param>
/// <param name="closed">What is not given access to, below the root.</param>
/// <param name="isAlive">Whether the place is still the one that <paramref name="hostPath"/> was for; asked after it was opened.</param>
internal sealed class FileRoot(string hostPath, string above, string workFolder, IReadOnlyList<string> closed, Func<bool> isAlive)
{
    private readonly string[] _above = Split(above);

    private readonly byte[][] _workFolder = [.. Split(workFolder).Select(Encoding.UTF8.GetBytes)];

    /// <summary>Opens it, whoever may own it: what is looked up below it is looked up as the sandbox's user.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.Conflict"/>: the place has ended.</exception>
    internal SafeFileHandle Open()
    {
        const int AtCurrentDirectory = -100;
        var number = LibC.OpenFrom(AtCurrentDirectory, hostPath, LibC.OpenPath | LibC.OpenDirectory | LibC.OpenCloseOnExec, 0);
        var error = Marshal.GetLastPInvokeError();
        var folder = new SafeFileHandle(number, ownsHandle: number >= 0);
        if (number >= 0 && isAlive())
        {
            return folder;
        }

        folder.Dispose();
        throw number < 0 && isAlive()
            ? new GatewayException(ErrorCode.HostNotReady, $"The files of the sandbox cannot be reached: {Marshal.GetPInvokeErrorMessage(error)}.")
            : Ended();
    }

    internal static GatewayException Ended() => new(ErrorCode.Conflict, "The sandbox has ended, so its files cannot be reached.");

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

    /// <summary>How names below the root are written inside.</summary>
    internal string Show(IEnumerable<byte[]> names) => "/" + string.Join('/', _above.Concat(names.Select(name => SandboxPath.Show(name))));

    private IEnumerable<byte[]> BelowRoot(SandboxPath path, string field)
    {
        if (_above.Length == 0)
        {
            return path.Names;
        }

        var names = path.Names.Select(name => SandboxPath.Show(name)).ToList();
        if (names.Count >= _above.Length && names.Take(_above.Length).SequenceEqual(_above))
        {
            return path.Names.Skip(_above.Length);
        }

        // The name it has in other variants, so that the same program works with both.
        return names.Count > 0 && names[0] == "workspace"
            ? path.Names.Skip(1)
            : throw new GatewayException(ErrorCode.InvalidPath, $"'{field}' is outside of the working folder {above} (also called /workspace). Here kernels run without isolation, and only files below it are given access to.", field);
    }

    private static string[] Split(string path) => path.Split('/', StringSplitOptions.RemoveEmptyEntries);
}
