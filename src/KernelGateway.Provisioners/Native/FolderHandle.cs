using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace KernelGateway.Provisioners.Native;

/// <summary>An opened folder that sandboxed code writes to: names in it are looked up without following links, and with paths that are always short.</summary>
internal sealed class FolderHandle : IDisposable
{
    private const uint ModeTypeMask = 0xF000;
    private const uint ModeSocket = 0xC000;

    private FolderHandle(SafeFileHandle handle) => Handle = handle;

    /// <summary>The opened folder (O_PATH).</summary>
    internal SafeFileHandle Handle { get; }

    /// <summary>Opens the folder; its last part may not be a link.</summary>
    /// <exception cref="IOException">It is missing, or no folder.</exception>
    internal static FolderHandle Open(string path)
    {
        const int AtCurrentDirectory = -100;
        var number = LibC.OpenFrom(AtCurrentDirectory, path, LibC.OpenPath | LibC.OpenDirectory | LibC.OpenNoFollow | LibC.OpenCloseOnExec, 0);
        return number >= 0
            ? new FolderHandle(new SafeFileHandle(number, ownsHandle: true))
            : throw new IOException($"{path}: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
    }

    /// <summary>A handle of its own for the same folder.</summary>
    /// <exception cref="IOException">No descriptors are left.</exception>
    internal FolderHandle Reopen()
    {
        var number = LibC.OpenAt(Handle, ".", LibC.OpenPath | LibC.OpenDirectory | LibC.OpenNoFollow | LibC.OpenCloseOnExec, 0);
        return number >= 0
            ? new FolderHandle(new SafeFileHandle(number, ownsHandle: true))
            : throw new IOException($"The folder of the sockets: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
    }

    /// <summary>Opens a socket of this folder without following links. Connect to <see cref="PathHandle.Path"/> while the handle lives.</summary>
    /// <param name="name">Its name; no slash.</param>
    /// <param name="ownerUid">Who must own it.</param>
    /// <exception cref="FileNotFoundException">There is no such name.</exception>
    /// <exception cref="IOException">It is not a socket of that owner.</exception>
    internal PathHandle OpenSocket(string name, uint ownerUid)
    {
        var number = LibC.OpenAt(Handle, name, LibC.OpenPath | LibC.OpenNoFollow | LibC.OpenCloseOnExec, 0);
        if (number < 0)
        {
            const int NoEntry = 2;
            var error = Marshal.GetLastPInvokeError();
            throw error == NoEntry
                ? new FileNotFoundException("No such socket.", name)
                : new IOException($"{name}: {Marshal.GetPInvokeErrorMessage(error)}");
        }

        var socket = new PathHandle(number);
        var found = FileIdentity.Of(socket.Number);
        if ((found.Mode & ModeTypeMask) == ModeSocket && found.Uid == ownerUid)
        {
            return socket;
        }

        socket.Dispose();
        throw new IOException((found.Mode & ModeTypeMask) == ModeSocket
            ? $"The socket '{name}' belongs to uid {found.Uid}, not to the sandbox's uid {ownerUid}."
            : $"'{name}' is not a socket.");
    }

    /// <summary>A short path of a name in it, good while the handle lives.</summary>
    internal string PathOf(string name) => $"{PathOf(Handle)}/{name}";

    /// <summary>True when the name exists, whatever it is.</summary>
    internal bool Has(string name) => LibC.AccessAt(Handle, name, 0, LibC.AtSymlinkNoFollow) == 0;

    /// <summary>Completes when all names exist. What they are is for <see cref="OpenSocket"/> to say.</summary>
    /// <exception cref="IOException">The folder cannot be watched.</exception>
    internal async Task WaitForAsync(IReadOnlyList<string> names, CancellationToken cancellationToken)
    {
        while (!names.All(Has))
        {
            // A watch of its own for each wait: nothing to drain, and nothing is missed because the names are looked up after it began.
            using var inotify = new PathHandle(LibC.InotifyInit(LibC.InotifyCloseOnExec));
            if (inotify.IsInvalid || LibC.InotifyAddWatch(inotify.Number, PathOf(Handle), LibC.InotifyCreate | LibC.InotifyMovedTo) < 0)
            {
                throw new IOException($"The folder of the sockets cannot be watched: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
            }

            if (names.All(Has))
            {
                return;
            }

            var (id, readable) = DescriptorWatch.Start(inotify.Number);
            try
            {
                await readable.WaitAsync(cancellationToken);
            }
            finally
            {
                DescriptorWatch.Forget(id);
            }
        }
    }

    public void Dispose() => Handle.Dispose();

    private static string PathOf(SafeFileHandle handle) => string.Create(CultureInfo.InvariantCulture, $"/proc/self/fd/{(int)handle.DangerousGetHandle()}");
}

/// <summary>An O_PATH descriptor.</summary>
internal sealed class PathHandle : SafeHandleMinusOneIsInvalid
{
    internal PathHandle(int number)
        : base(ownsHandle: true) => SetHandle(number);

    /// <summary>The descriptor; meaningless once closed.</summary>
    internal int Number => (int)handle;

    /// <summary>The kernel's own name of what was opened: no lookup, hence no link, on the way.</summary>
    internal string Path => string.Create(CultureInfo.InvariantCulture, $"/proc/self/fd/{Number}");

    protected override bool ReleaseHandle() => LibC.Close((int)handle) == 0;
}
