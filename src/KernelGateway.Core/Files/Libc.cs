using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace KernelGateway.Core.Files;

/// <summary>The system calls that the framework has no safe form of. 64-bit Linux only: the layouts are the same on x64 and arm64.</summary>
internal static partial class Libc
{
    public const int OpenReadOnly = 0;
    public const int OpenNoControllingTerminal = 0x100;
    public const int OpenNonBlocking = 0x800;
    public const int OpenCloseOnExec = 0x80000;
    public const int AtSymlinkNoFollow = 0x100;
    public const int AtEmptyPath = 0x1000;
    public const uint StatBasic = 0x7FF;
    public const ushort TypeMask = 0xF000;
    public const ushort TypeRegular = 0x8000;

    private const long OpenAt2 = 437;

    // O_DIRECTORY and O_NOFOLLOW differ between the architectures.
    public static int OpenDirectory => IsArm ? 0x4000 : 0x10000;

    public static int OpenNoFollow => IsArm ? 0x8000 : 0x20000;

    private static bool IsArm => RuntimeInformation.ProcessArchitecture == Architecture.Arm64;

    private static long GetDirectoryEntries => IsArm ? 61 : 217;

    public static int OpenIn(SafeFileHandle folder, string path, OpenHow how) =>
        (int)SysOpenAt2(OpenAt2, folder, path, ref how, (nuint)Marshal.SizeOf<OpenHow>());

    public static unsafe int ReadEntries(SafeFileHandle folder, Span<byte> buffer)
    {
        fixed (byte* pointer = buffer)
        {
            return (int)SysGetDents(GetDirectoryEntries, folder, pointer, (nuint)buffer.Length);
        }
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "unlinkat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int UnlinkAt(SafeFileHandle folder, string name, int flags);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int StatX(SafeFileHandle file, string path, int flags, uint mask, out StatXResult result);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial long SysOpenAt2(long number, SafeFileHandle folder, string path, ref OpenHow how, nuint size);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static unsafe partial long SysGetDents(long number, SafeFileHandle folder, byte* buffer, nuint size);

    /// <summary>struct open_how of openat2(2).</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct OpenHow
    {
        public ulong Flags;
        public ulong Mode;
        public ulong Resolve;
    }

    /// <summary>The part of struct statx(2) that is used; the whole has 256 bytes.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    public struct StatXResult
    {
        [FieldOffset(16)]
        public uint Links;

        [FieldOffset(20)]
        public uint Uid;

        [FieldOffset(28)]
        public ushort Mode;

        [FieldOffset(40)]
        public ulong Size;
    }
}
