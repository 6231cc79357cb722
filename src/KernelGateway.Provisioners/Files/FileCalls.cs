using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace KernelGateway.Provisioners.Files;

/// <summary>The system calls on files, made as a sandbox's user. Names and paths are bytes; errors are negative numbers, as from the kernel.</summary>
internal sealed unsafe class FileCalls(SandboxUser user)
{
    internal const int NotPermitted = 1;
    internal const int NotFound = 2;
    internal const int Interrupted = 4;
    internal const int NoDevice = 6;
    internal const int TryAgain = 11;
    internal const int AccessDenied = 13;
    internal const int Busy = 26; // ETXTBSY
    internal const int Exists = 17;
    internal const int OtherDevice = 18;
    internal const int NotAFolder = 20;
    internal const int IsAFolder = 21;
    internal const int Invalid = 22;
    internal const int FileTooLarge = 27;
    internal const int NoSpace = 28;
    internal const int ReadOnlyFileSystem = 30;
    internal const int NameTooLong = 36;
    internal const int NotEmpty = 39;
    internal const int SymbolicLink = 40;
    internal const int NoQuota = 122;

    /// <summary>Opens below a folder: no link on the way or at the end is followed, and nothing leads out of it.</summary>
    internal long Open(SafeFileHandle folder, ReadOnlySpan<byte> path, int flags, uint mode, out SafeFileHandle opened)
    {
        var how = new SystemCall.OpenHow
        {
            Flags = (ulong)(uint)(flags | SystemCall.CloseOnExec | SystemCall.NoFollow),
            Mode = mode,
            Resolve = SystemCall.InRoot | SystemCall.NoSymlinks | SystemCall.NoMagicLinks,
        };
        long result;
        fixed (byte* name = Terminated(path.IsEmpty ? "."u8 : path))
        {
            using var at = new Held(folder);
            do
            {
                result = user.Call(SystemCall.OpenAt2, at.Number, (nint)name, (nint)(&how), sizeof(SystemCall.OpenHow));
            }
            while (result is -Interrupted or -TryAgain);
        }

        opened = new SafeFileHandle((nint)result, ownsHandle: result >= 0);
        return Math.Min(result, 0);
    }

    /// <summary>Describes a name in a folder; a link itself. With an empty name, the opened thing.</summary>
    internal long Stat(SafeFileHandle folder, ReadOnlySpan<byte> name, out FileStatus status)
    {
        var buffer = stackalloc byte[FileStatus.Length];
        var flags = name.IsEmpty ? SystemCall.AtEmptyPath : SystemCall.AtSymlinkNoFollow;
        fixed (byte* text = Terminated(name))
        {
            using var at = new Held(folder);
            var result = user.Call(SystemCall.StatX, at.Number, (nint)text, flags, (nint)SystemCall.StatBasic, (nint)buffer);
            status = result == 0 ? FileStatus.Read(new ReadOnlySpan<byte>(buffer, FileStatus.Length)) : default;
            return result;
        }
    }

    internal long Remove(SafeFileHandle folder, ReadOnlySpan<byte> name, bool isFolder)
    {
        fixed (byte* text = Terminated(name))
        {
            using var at = new Held(folder);
            return user.Call(SystemCall.UnlinkAt, at.Number, (nint)text, isFolder ? SystemCall.AtRemoveFolder : 0);
        }
    }

    internal long MakeFolder(SafeFileHandle folder, ReadOnlySpan<byte> name, uint mode)
    {
        fixed (byte* text = Terminated(name))
        {
            using var at = new Held(folder);
            return user.Call(SystemCall.MakeFolderAt, at.Number, (nint)text, (nint)mode);
        }
    }

    internal long Rename(SafeFileHandle from, ReadOnlySpan<byte> name, SafeFileHandle to, ReadOnlySpan<byte> newName, bool replace)
    {
        fixed (byte* oldText = Terminated(name), newText = Terminated(newName))
        {
            using var source = new Held(from);
            using var target = new Held(to);
            return user.Call(SystemCall.RenameAt2, source.Number, (nint)oldText, target.Number, (nint)newText, replace ? 0 : (nint)SystemCall.RenameNoReplace);
        }
    }

    internal long MakeLink(ReadOnlySpan<byte> target, SafeFileHandle folder, ReadOnlySpan<byte> name)
    {
        fixed (byte* text = Terminated(target), linkName = Terminated(name))
        {
            using var at = new Held(folder);
            return user.Call(SystemCall.SymlinkAt, (nint)text, at.Number, (nint)linkName);
        }
    }

    /// <summary>Sets when the content of a name last changed, of a link itself; when it was last read stays.</summary>
    internal long SetTime(SafeFileHandle folder, ReadOnlySpan<byte> name, DateTimeOffset modifiedAt)
    {
        const long Omit = (1L << 30) - 2; // UTIME_OMIT
        var since = modifiedAt.UtcTicks - DateTimeOffset.UnixEpoch.Ticks;
        var times = stackalloc long[4] { 0, Omit, since / TimeSpan.TicksPerSecond, since % TimeSpan.TicksPerSecond * 100 };
        fixed (byte* text = Terminated(name))
        {
            using var at = new Held(folder);
            return user.Call(SystemCall.SetTimesAt, at.Number, (nint)text, (nint)times, SystemCall.AtSymlinkNoFollow);
        }
    }

    /// <summary>Where a link points to; empty when it cannot be read.</summary>
    internal byte[] ReadLink(SafeFileHandle folder, ReadOnlySpan<byte> name)
    {
        const int Most = 4096;
        var target = new byte[Most];
        fixed (byte* text = Terminated(name), buffer = target)
        {
            using var at = new Held(folder);
            var length = user.Call(SystemCall.ReadLinkAt, at.Number, (nint)text, (nint)buffer, Most);
            return target[..(int)Math.Max(length, 0)];
        }
    }

    /// <summary>The next entries of a folder as the kernel packs them; 0 at the end.</summary>
    internal long Entries(SafeFileHandle folder, byte[] buffer)
    {
        fixed (byte* pointer = buffer)
        {
            using var at = new Held(folder);
            return user.Call(SystemCall.GetDirectoryEntries, at.Number, (nint)pointer, buffer.Length);
        }
    }

    internal long Write(SafeFileHandle file, ReadOnlySpan<byte> content)
    {
        fixed (byte* pointer = content)
        {
            using var to = new Held(file);
            var left = content.Length;
            while (left > 0)
            {
                var written = user.Call(SystemCall.Write, to.Number, (nint)(pointer + content.Length - left), left);
                if (written < 0 && written != -Interrupted)
                {
                    return written;
                }

                left -= (int)Math.Max(written, 0);
            }
        }

        return 0;
    }

    internal long Chmod(SafeFileHandle file, int mode)
    {
        using var at = new Held(file);
        return user.Call(SystemCall.FChmod, at.Number, mode);
    }

    /// <summary>Takes the lock of an open file, or says that somebody has it.</summary>
    internal long Lock(SafeFileHandle file)
    {
        using var at = new Held(file);
        return user.Call(SystemCall.Flock, at.Number, SystemCall.LockExclusiveNow);
    }

    /// <summary>Watches an opened folder by the kernel's own name for it, on which there is no link.</summary>
    internal long Watch(int inotify, SafeFileHandle folder, uint mask)
    {
        using var at = new Held(folder);
        var path = Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"/proc/self/fd/{at.Number}\0"));
        fixed (byte* text = path)
        {
            return user.Call(SystemCall.InotifyAddWatch, inotify, (nint)text, (nint)mask);
        }
    }

    /// <summary>Names of entries in a buffer that <see cref="Entries"/> filled; not the folder itself and its parent.</summary>
    internal static IEnumerable<byte[]> NamesIn(byte[] entries, int length)
    {
        // struct linux_dirent64: u64 inode, i64 offset, u16 length, u8 type, name, NUL.
        const int Header = 19;
        for (var at = 0; at + Header < length;)
        {
            var size = BinaryPrimitives.ReadUInt16LittleEndian(entries.AsSpan(at + 16));
            var name = entries.AsSpan(at + Header, size - Header);
            name = name[..name.IndexOf((byte)0)];
            at += size;
            if (!name.SequenceEqual("."u8) && !name.SequenceEqual(".."u8))
            {
                yield return name.ToArray();
            }
        }
    }

    private static byte[] Terminated(ReadOnlySpan<byte> text)
    {
        var terminated = new byte[text.Length + 1];
        text.CopyTo(terminated);
        return terminated;
    }

    /// <summary>Keeps a descriptor open while its number is in use.</summary>
    private readonly ref struct Held
    {
        private readonly SafeFileHandle _handle;

        internal Held(SafeFileHandle handle)
        {
            var held = false;
            handle.DangerousAddRef(ref held);
            _handle = handle;
            Number = handle.DangerousGetHandle();
        }

        internal nint Number { get; }

        public void Dispose() => _handle.DangerousRelease();
    }
}
