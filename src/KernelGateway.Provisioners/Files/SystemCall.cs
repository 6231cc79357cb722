using System.Runtime.InteropServices;

namespace KernelGateway.Provisioners.Files;

/// <summary>Numbers of the system calls on files, and the values they take. 64-bit Linux on x64 and arm64.</summary>
internal static class SystemCall
{
    internal const int ReadOnly = 0;
    internal const int WriteOnly = 1;
    internal const int Create = 0x40;
    internal const int Exclusive = 0x80;
    internal const int NoControllingTerminal = 0x100;
    internal const int NonBlocking = 0x800;
    internal const int CloseOnExec = 0x80000;
    internal const int PathOnly = 0x200000;

    internal const ulong NoMagicLinks = 0x02;
    internal const ulong NoSymlinks = 0x04;
    internal const ulong InRoot = 0x10;

    internal const int AtEmptyPath = 0x1000;
    internal const int AtSymlinkNoFollow = 0x100;
    internal const int AtRemoveFolder = 0x200;
    internal const uint StatBasic = 0x7FF;
    internal const uint RenameNoReplace = 1;

    internal const int LockExclusiveNow = 2 | 4;

    internal const nint OpenAt2 = 437;

    private static readonly bool Arm = RuntimeInformation.ProcessArchitecture == Architecture.Arm64;

    internal static int Directory => Arm ? 0x4000 : 0x10000;

    internal static int NoFollow => Arm ? 0x8000 : 0x20000;

    internal static nint Write => Arm ? 64 : 1;

    internal static nint Flock => Arm ? 32 : 73;

    internal static nint FChmod => Arm ? 52 : 91;

    internal static nint FTruncate => Arm ? 46 : 77;

    internal static nint GetDirectoryEntries => Arm ? 61 : 217;

    internal static nint MakeFolderAt => Arm ? 34 : 258;

    internal static nint UnlinkAt => Arm ? 35 : 263;

    internal static nint SymlinkAt => Arm ? 36 : 266;

    internal static nint SetTimesAt => Arm ? 88 : 280;

    internal static nint ReadLinkAt => Arm ? 78 : 267;

    internal static nint RenameAt2 => Arm ? 276 : 316;

    internal static nint StatX => Arm ? 291 : 332;

    internal static nint InotifyAddWatch => Arm ? 27 : 254;

    internal static nint SetFsUid => Arm ? 151 : 122;

    internal static nint SetFsGid => Arm ? 152 : 123;

    internal static nint CapGet => Arm ? 90 : 125;

    internal static nint CapSet => Arm ? 91 : 126;

    internal static nint GetGroups => Arm ? 158 : 115;

    internal static nint SetGroups => Arm ? 159 : 116;

    /// <summary>struct open_how of openat2(2).</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct OpenHow
    {
        internal ulong Flags;
        internal ulong Mode;
        internal ulong Resolve;
    }
}
