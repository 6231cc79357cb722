using System.Runtime.InteropServices;
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

    /// <summary>How paths of the place are written.</summary>
    internal PlacePaths Paths { get; } = new(above, workFolder, closed);

    /// <inheritdoc cref="PlacePaths.Locate"/>
    internal byte[][] Locate(SandboxPath path, string field) => Paths.Locate(path, field);

    /// <inheritdoc cref="PlacePaths.LocateToTakeAway"/>
    internal byte[][] LocateToTakeAway(SandboxPath path, string field) => Paths.LocateToTakeAway(path, field);

    /// <inheritdoc cref="PlacePaths.Show"/>
    internal string Show(IEnumerable<byte[]> names) => Paths.Show(names);
}
