using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace KernelGateway.Provisioners.Native;

/// <summary>Mounts by descriptors (open_tree(2), mount_setattr(2), move_mount(2)): a mount gets all its properties before anybody can see it, and no path is looked up twice.</summary>
internal static partial class DetachedMount
{
    internal const ulong ReadOnly = 0x1;
    internal const ulong NoSetId = 0x2;
    internal const ulong NoDevices = 0x4;
    internal const ulong NoExecution = 0x8;
    private const ulong IdMapped = 0x10_0000;
    private const ulong Private = 1 << 18;

    private const long OpenTree = 428;
    private const long MoveMount = 429;
    private const long OpenAt2 = 437;
    private const long SetAttributes = 442;

    private const int AtCurrentDirectory = -100;
    private const ulong ResolveNoMagicLinks = 0x02;
    private const ulong ResolveNoSymlinks = 0x04;
    private const ulong ResolveBeneath = 0x08;

    /// <summary>Opens a folder of the host by its absolute path, in which no part may be a link.</summary>
    /// <exception cref="IOException">Why not.</exception>
    internal static SafeFileHandle OpenFolder(string path) => Open(AtCurrentDirectory, path, LibC.OpenPath | LibC.OpenDirectory, 0, ResolveNoSymlinks | ResolveNoMagicLinks);

    /// <summary>Opens what is at a path below a folder; a link as the last part is opened as such, and refused before.</summary>
    /// <exception cref="IOException">Why not.</exception>
    internal static SafeFileHandle OpenBelow(SafeFileHandle folder, string path, int flags = LibC.OpenPath, uint mode = 0) =>
        Open((int)folder.DangerousGetHandle(), path.Length == 0 ? "." : path, flags | LibC.OpenNoFollow, mode,
            ResolveBeneath | ResolveNoMagicLinks | ResolveNoSymlinks);

    /// <summary>A mount of its own of what was opened, without the mounts below it, and not yet anywhere.</summary>
    /// <exception cref="IOException">Why not.</exception>
    internal static SafeFileHandle Clone(SafeFileHandle of)
    {
        const int CloneAndClose = 1 | LibC.OpenCloseOnExec;
        return Handle(Call(OpenTree, (int)of.DangerousGetHandle(), "", (nint)(LibC.AtEmptyPath | CloneAndClose), 0, 0));
    }

    /// <summary>Sets and clears flags of a mount, and keeps what is mounted in it from other places.</summary>
    /// <param name="mount">One that is nowhere yet.</param>
    /// <param name="set">Flags to set.</param>
    /// <param name="clear">Flags to clear.</param>
    /// <param name="idMap">A user namespace whose map of ids the mount gets; <c>null</c> to leave it.</param>
    /// <exception cref="IOException">For a map also where the file system knows none.</exception>
    internal static unsafe void Set(SafeFileHandle mount, ulong set, ulong clear, SafeFileHandle? idMap = null)
    {
        // struct mount_attr: set, clear, propagation, descriptor of the user namespace.
        var attributes = stackalloc ulong[4];
        attributes[0] = set | (idMap is null ? 0 : IdMapped);
        attributes[1] = clear;
        attributes[2] = Private;
        attributes[3] = idMap is null ? 0 : (ulong)idMap.DangerousGetHandle();
        Check(Call(SetAttributes, (int)mount.DangerousGetHandle(), "", LibC.AtEmptyPath, (nint)attributes, 32));
    }

    /// <summary>Puts a mount over what was opened.</summary>
    /// <exception cref="IOException">Why not.</exception>
    internal static void Attach(SafeFileHandle mount, SafeFileHandle over)
    {
        const long BothAreDescriptors = 0x4 | 0x40;
        Check(Move(MoveMount, (int)mount.DangerousGetHandle(), "", (int)over.DangerousGetHandle(), "", BothAreDescriptors));
    }

    /// <summary>Makes a folder that nobody may enter.</summary>
    /// <exception cref="IOException">Why not.</exception>
    internal static void MakeFolder(SafeFileHandle parent, string name) => Check(MakeDirectoryAt(parent, name, 0));

    /// <summary>Removes a name.</summary>
    /// <exception cref="IOException">Why not.</exception>
    internal static void Unlink(SafeFileHandle parent, string name, int flags) => Check(LibC.UnlinkAt(parent, name, flags));

    private static unsafe SafeFileHandle Open(int folder, string path, int flags, uint mode, ulong resolve)
    {
        // struct open_how: flags, mode, resolve.
        var how = stackalloc ulong[3];
        how[0] = (ulong)(uint)(flags | LibC.OpenCloseOnExec);
        how[1] = mode;
        how[2] = resolve;
        return Handle(Call(OpenAt2, folder, path, (nint)how, 24, 0));
    }

    private static SafeFileHandle Handle(long result)
    {
        Check(result);
        return new SafeFileHandle((nint)result, ownsHandle: true);
    }

    private static void Check(long result)
    {
        if (result < 0)
        {
            var error = Marshal.GetLastPInvokeError();
            throw new IOException(Marshal.GetPInvokeErrorMessage(error), error);
        }
    }

    [LibraryImport("libc", EntryPoint = "mkdirat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int MakeDirectoryAt(SafeFileHandle parent, string name, uint mode);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial long Call(long number, long descriptor, string path, nint third, nint fourth, nint fifth);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial long Move(long number, long from, string fromPath, long to, string toPath, long flags);
}
