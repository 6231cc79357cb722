using System.Runtime.InteropServices;

namespace KernelGateway.Core.Tests.Support;

/// <summary>What hostile peers do and the framework does not offer.</summary>
internal static partial class Posix
{
    public static uint Uid => GetUid();

    public static void MakeFifo(string path) => Check(MkFifo(path, 0x180));

    public static void MakeHardLink(string existing, string path) => Check(Link(existing, path));

    public static void GiveAway(string path, uint uid) => Check(LChown(path, uid, uint.MaxValue));

    public static void SendSignal(int pid, int signal) => Check(Kill(pid, signal));

    public static void MountTmpfs(string path, string options) => Check(Mount("tmpfs", path, "tmpfs", 0, options));

    public static void Unmount(string path) => Check(Umount(path));

    private static void Check(int result)
    {
        if (result != 0)
        {
            throw new IOException(Marshal.GetLastPInvokeErrorMessage());
        }
    }

    [LibraryImport("libc", EntryPoint = "getuid")]
    private static partial uint GetUid();

    [LibraryImport("libc", EntryPoint = "mkfifo", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int MkFifo(string path, uint mode);

    [LibraryImport("libc", EntryPoint = "link", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Link(string existing, string path);

    [LibraryImport("libc", EntryPoint = "lchown", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int LChown(string path, uint uid, uint gid);

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int Kill(int pid, int signal);

    [LibraryImport("libc", EntryPoint = "mount", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Mount(string source, string target, string type, ulong flags, string data);

    [LibraryImport("libc", EntryPoint = "umount", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Umount(string path);
}
