using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace KernelGateway.Jupyter.Zmtp;

/// <summary>Opens a socket's path so that what was checked is what is connected to.</summary>
internal static partial class LinuxPaths
{
    private const int AtCurrentFolder = -100;
    private const nint OpenAt2 = 437;
    private const ulong PathOnly = 0x200000;
    private const ulong CloseOnExec = 0x80000;
    private const ulong NoFollowLast = 0x20000;
    private const ulong ResolveNoMagicLinks = 2;
    private const ulong ResolveNoSymlinks = 4;
    private const ulong ResolveBeneath = 8;
    private const int EmptyPath = 0x1000;
    private const uint StatxType = 1;
    private const int TypeMask = 0xF000;
    private const int TypeSocket = 0xC000;

    private const int NoEntry = 2;
    private const int NotADirectory = 20;
    private const int CrossDevice = 18;
    private const int Loop = 40;
    private const int NotImplemented = 38;

    /// <summary>A handle on the socket's inode; connect to <c>/proc/self/fd/N</c> of it.</summary>
    public static unsafe SafeFileHandle OpenSocket(SafeFileHandle? directory, string path, bool follow)
    {
        var how = new OpenHow
        {
            Flags = PathOnly | CloseOnExec | (follow ? 0 : NoFollowLast),
            Resolve = follow ? 0 : ResolveNoMagicLinks | ResolveNoSymlinks | (directory is null ? 0 : ResolveBeneath),
        };
        var held = false;
        try
        {
            directory?.DangerousAddRef(ref held);
            var folder = directory is null ? AtCurrentFolder : directory.DangerousGetHandle();
            var descriptor = SystemCall(OpenAt2, folder, path, &how, (nuint)sizeof(OpenHow));
            if (descriptor < 0)
            {
                throw OpenFailed(path, Marshal.GetLastPInvokeError());
            }

            var handle = new SafeFileHandle(descriptor, ownsHandle: true);
            try
            {
                RequireSocket(handle, path);
                return handle;
            }
            catch
            {
                handle.Dispose();
                throw;
            }
        }
        finally
        {
            if (held)
            {
                directory!.DangerousRelease();
            }
        }
    }

    private static unsafe void RequireSocket(SafeFileHandle handle, string path)
    {
        StatxBuffer buffer;
        if (Statx(handle, "", EmptyPath, StatxType, &buffer) != 0)
        {
            throw new ZmtpException(ZmtpErrorKind.ConnectFailed, $"The state of '{path}' could not be read: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}.");
        }

        if ((buffer.Mode & TypeMask) != TypeSocket)
        {
            throw new ZmtpException(ZmtpErrorKind.UnsafePath, $"'{path}' is not a socket (or is a link).");
        }
    }

    private static ZmtpException OpenFailed(string path, int error) => error switch
    {
        Loop or CrossDevice => new(ZmtpErrorKind.UnsafePath, $"'{path}' is or contains a symbolic link."),
        NotImplemented => new(ZmtpErrorKind.UnsafePath, $"'{path}' cannot be opened without following links: this needs openat2 (Linux 5.6)."),
        NoEntry or NotADirectory => new(ZmtpErrorKind.ConnectFailed, $"'{path}' does not exist."),
        _ => new(ZmtpErrorKind.ConnectFailed, $"'{path}' could not be opened: {Marshal.GetPInvokeErrorMessage(error)}."),
    };

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial nint SystemCall(nint number, nint folder, string path, OpenHow* how, nuint size);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial int Statx(SafeFileHandle folder, string path, int flags, uint mask, StatxBuffer* buffer);

    [StructLayout(LayoutKind.Sequential)]
    private struct OpenHow
    {
        public ulong Flags;
        public ulong Mode;
        public ulong Resolve;
    }

    /// <summary>struct statx is the same on every architecture, which struct stat is not.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct StatxBuffer
    {
        [FieldOffset(28)]
        public ushort Mode;
    }
}
