using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace KernelGateway.Core.Files;

/// <summary>A folder whose contents somebody else controls: it is held open, and nothing is ever reached through a link.</summary>
/// <remarks>
/// Paths are resolved by openat2(2) with RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS and RESOLVE_NO_MAGICLINKS, in one step that no
/// rename can race with. Checking a path first and opening it afterwards is not safe in a folder that others write to.
/// </remarks>
public sealed class ConfinedDirectory : IDisposable
{
    private const ulong ResolveNoMagicLinks = 0x02;
    private const ulong ResolveNoSymlinks = 0x04;
    private const ulong ResolveBeneath = 0x08;
    private const int EntryHeader = 19;

    private readonly SafeFileHandle _folder;

    private ConfinedDirectory(SafeFileHandle folder) => _folder = folder;

    /// <summary>Opens a folder for use as the root of what follows.</summary>
    /// <param name="path">Where it is on the host. Its parent is trusted and may be reached through links; its own name may not be one.</param>
    /// <param name="directory">The folder, when the call succeeded.</param>
    public static PosixError TryOpen(string path, out ConfinedDirectory? directory)
    {
        directory = null;
        string full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        string? parentPath = Path.GetDirectoryName(full);
        if (parentPath is null)
        {
            return PosixError.AccessDenied;
        }

        int fd = Libc.Open(parentPath, Libc.OpenReadOnly | Libc.OpenDirectory | Libc.OpenCloseOnExec);
        if (fd < 0)
        {
            return LastError();
        }

        using var parent = new SafeFileHandle(fd, ownsHandle: true);
        PosixError error = OpenIn(parent, Path.GetFileName(full), Libc.OpenReadOnly | Libc.OpenDirectory, out SafeFileHandle? folder);
        directory = folder is null ? null : new ConfinedDirectory(folder);
        return error;
    }

    /// <summary>Opens a file for reading, without waiting for anything (FIFO, device).</summary>
    /// <param name="relative">The path below this folder; <c>..</c> and links are refused.</param>
    /// <param name="file">The open file, when the call succeeded. It can be of any type: see <see cref="Describe(SafeFileHandle)"/>.</param>
    public PosixError TryOpenFile(string relative, out SafeFileHandle? file) =>
        OpenIn(_folder, relative, Libc.OpenReadOnly | Libc.OpenNonBlocking | Libc.OpenNoControllingTerminal, out file);

    /// <summary>Whether there is anything of this name in this folder, be it a link that leads nowhere.</summary>
    public bool Has(string name) =>
        !name.Contains('/', StringComparison.Ordinal)
        && Libc.StatX(_folder, name, Libc.AtSymlinkNoFollow, Libc.StatBasic, out _) == 0;

    /// <summary>Removes a file by its name in this folder; a link is removed, not what it points to.</summary>
    public PosixError Unlink(string name)
    {
        if (name.Contains('/', StringComparison.Ordinal))
        {
            return PosixError.LeavesFolder;
        }

        return Libc.UnlinkAt(_folder, name, 0) == 0 ? PosixError.None : LastError();
    }

    /// <summary>Lists names of this folder in no order, at most <paramref name="limit"/> of them.</summary>
    /// <exception cref="IOException">The folder cannot be read.</exception>
    public IReadOnlyList<string> List(int limit)
    {
        var names = new List<string>();
        ThrowFor(OpenIn(_folder, ".", Libc.OpenReadOnly | Libc.OpenDirectory, out SafeFileHandle? listing), "open the folder");
        using (listing)
        {
            Span<byte> buffer = new byte[16 * 1024];
            while (names.Count < limit)
            {
                int read = Libc.ReadEntries(listing!, buffer);
                if (read < 0)
                {
                    ThrowFor(LastError(), "list the folder");
                }

                if (read == 0)
                {
                    break;
                }

                AddNames(buffer[..read], names, limit);
            }
        }

        return names;
    }

    /// <summary>What an open file is. Asked of the handle, so that nobody can exchange it in between.</summary>
    /// <exception cref="IOException">The file cannot be asked.</exception>
    public static FileFacts Describe(SafeFileHandle file)
    {
        if (Libc.StatX(file, string.Empty, Libc.AtEmptyPath, Libc.StatBasic, out Libc.StatXResult result) != 0)
        {
            ThrowFor(LastError(), "describe the file");
        }

        bool regular = (result.Mode & Libc.TypeMask) == Libc.TypeRegular;
        return new FileFacts(regular, result.Uid, result.Links, (long)Math.Min(result.Size, long.MaxValue));
    }

    /// <summary>What this folder itself is.</summary>
    /// <exception cref="IOException">The folder cannot be asked.</exception>
    public FileFacts Describe() => Describe(_folder);

    /// <inheritdoc/>
    public void Dispose() => _folder.Dispose();

    private static PosixError OpenIn(SafeFileHandle folder, string path, int flags, out SafeFileHandle? opened)
    {
        opened = null;
        if (path.Contains('\0', StringComparison.Ordinal))
        {
            return PosixError.NotFound;
        }

        var how = new Libc.OpenHow
        {
            Flags = (ulong)(flags | Libc.OpenNoFollow | Libc.OpenCloseOnExec),
            Resolve = ResolveBeneath | ResolveNoSymlinks | ResolveNoMagicLinks,
        };
        while (true)
        {
            int fd = Libc.OpenIn(folder, path, how);
            if (fd >= 0)
            {
                opened = new SafeFileHandle(fd, ownsHandle: true);
                return PosixError.None;
            }

            PosixError error = LastError();
            if (error != PosixError.Interrupted)
            {
                return error;
            }
        }
    }

    private static void AddNames(ReadOnlySpan<byte> entries, List<string> names, int limit)
    {
        // struct linux_dirent64: u64 inode, i64 offset, u16 length, u8 type, name, NUL.
        while (entries.Length > EntryHeader && names.Count < limit)
        {
            int length = BinaryPrimitives.ReadUInt16LittleEndian(entries[16..]);
            ReadOnlySpan<byte> name = entries[EntryHeader..length];
            name = name[..name.IndexOf((byte)0)];
            if (!name.SequenceEqual("."u8) && !name.SequenceEqual(".."u8))
            {
                names.Add(Encoding.UTF8.GetString(name));
            }

            entries = entries[length..];
        }
    }

    private static PosixError LastError() => (PosixError)Marshal.GetLastPInvokeError();

    private static void ThrowFor(PosixError error, string doing)
    {
        if (error != PosixError.None)
        {
            throw new IOException($"Could not {doing}: {Marshal.GetPInvokeErrorMessage((int)error)}.");
        }
    }
}

/// <summary>What an open file is.</summary>
/// <param name="IsRegular">An ordinary file: no folder, FIFO, socket or device.</param>
/// <param name="OwnerUid">The uid it belongs to, on the host.</param>
/// <param name="Links">How many names it has; 0 when it has been removed.</param>
/// <param name="Size">Its size, bytes.</param>
public readonly record struct FileFacts(bool IsRegular, uint OwnerUid, uint Links, long Size);
