using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using KernelGateway.Contracts.Files;
using KernelGateway.Core.Errors;
using KernelGateway.Provisioners.Native;
using Microsoft.Win32.SafeHandles;

namespace KernelGateway.Provisioners.Files;

/// <summary>Follows the changes of a folder, and of those below it, by inotify. The kernel keeps a bounded number of events; when it drops some, that is told.</summary>
internal sealed class FolderWatch : IDisposable
{
    private const uint Modify = 0x2, Attributes = 0x4, MovedFrom = 0x40, MovedTo = 0x80, Created = 0x100, Deleted = 0x200, SelfDeleted = 0x400;
    private const uint Unmounted = 0x2000, Overflowed = 0x4000, Ignored = 0x8000, IsFolder = 0x4000_0000;
    private const uint OnlyFolder = 0x0100_0000;
    private const uint Mask = Modify | Attributes | MovedFrom | MovedTo | Created | Deleted | SelfDeleted | OnlyFolder;
    private const int EventHeader = 16;
    private const int BufferSize = 64 << 10;
    private const ulong WaitingBytes = 0x541B; // FIONREAD
    private const int MaxFound = 100_000;

    private readonly FileTree _tree;
    private readonly byte[][] _root;
    private readonly bool _recursive;
    private readonly int _maxFolders;
    private readonly TimeProvider _time;
    private readonly PathHandle _inotify;
    private readonly byte[] _buffer = new byte[BufferSize];

    // By watch descriptor; the parent is another one of them, none for the watched folder itself.
    private readonly Dictionary<int, Folder> _folders = [];

    // What was found, and told, while a new folder was covered: its own event may still wait, and must not tell it again.
    // Empty whenever no event waits; beyond the bound some things may be told twice.
    private readonly HashSet<(int Folder, string Name)> _found = [];

    internal FolderWatch(FileTree tree, byte[][] root, bool recursive, int maxFolders, TimeProvider time)
    {
        _tree = tree;
        _root = root;
        _recursive = recursive;
        _maxFolders = maxFolders;
        _time = time;
        _inotify = new PathHandle(LibC.InotifyInit(LibC.InotifyCloseOnExec | LibC.InotifyNonBlocking));
        if (_inotify.IsInvalid)
        {
            throw new GatewayException(ErrorCode.LimitReached, $"The host can watch no more folders ({Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}). End a watch, or raise fs.inotify.max_user_instances.");
        }
    }

    /// <summary>The watched folder has gone.</summary>
    internal bool IsOver { get; private set; }

    /// <summary>Covers the folder and what is below it now.</summary>
    internal void Begin(List<FileChange> changes)
    {
        using (var top = _tree.OpenFolder(_root, "path"))
        {
            var number = _tree.Calls.Watch(_inotify.Number, top, Mask);
            _tree.Check(number, _root, "path");
            _folders[(int)number] = new Folder(null, []);
            changes.Add(Change(FileChangeType.Ready, _root, isFolder: true));
            if (_recursive)
            {
                CoverBelow(top, (int)number, null, changes);
            }
        }
    }

    /// <summary>Waits until there is something to read; false when the waiting was ended.</summary>
    internal async Task<bool> WaitAsync(CancellationToken cancellationToken)
    {
        var (id, readable) = DescriptorWatch.Start(_inotify.Number);
        try
        {
            await readable.WaitAsync(cancellationToken);
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
        finally
        {
            DescriptorWatch.Forget(id);
        }
    }

    /// <summary>Adds what has happened since the last call.</summary>
    internal void Read(List<FileChange> changes)
    {
        var length = ReadEvents();
        (uint Cookie, int Folder, byte[] Name, bool IsFolder)? leaving = null;
        for (var at = 0; at + EventHeader <= length;)
        {
            var header = _buffer.AsSpan(at);
            var number = BinaryPrimitives.ReadInt32LittleEndian(header);
            var mask = BinaryPrimitives.ReadUInt32LittleEndian(header[4..]);
            var cookie = BinaryPrimitives.ReadUInt32LittleEndian(header[8..]);
            var size = (int)BinaryPrimitives.ReadUInt32LittleEndian(header[12..]);
            var padded = header.Slice(EventHeader, size);
            var name = padded[..(padded.IndexOf((byte)0) is >= 0 and var end ? end : size)].ToArray();
            at += EventHeader + size;
            var isFolder = (mask & IsFolder) != 0;
            if (leaving is { } gone && ((mask & MovedTo) == 0 || cookie != gone.Cookie))
            {
                Leave(gone.Folder, gone.Name, gone.IsFolder, changes);
                leaving = null;
            }

            if (_found.Count > 0 && (mask & (Created | MovedFrom | MovedTo | Deleted)) != 0 && _found.Remove((number, Key(name))) && (mask & Created) != 0)
            {
                continue;
            }

            if ((mask & MovedFrom) != 0)
            {
                leaving = (cookie, number, name, isFolder);
                continue;
            }

            if (leaving is { } from)
            {
                leaving = null;
                Rename(from.Folder, from.Name, number, name, isFolder, changes);
                continue;
            }

            Take(number, mask, name, isFolder, changes);
        }

        if (leaving is { } last)
        {
            Leave(last.Folder, last.Name, last.IsFolder, changes);
        }

        if (_found.Count > 0 && (_found.Count > MaxFound || !EventsWait()))
        {
            _found.Clear();
        }
    }

    public void Dispose() => _inotify.Dispose();

    /// <summary>The events that wait, as the kernel packs them; 0 when there are none after all.</summary>
    private unsafe int ReadEvents()
    {
        fixed (byte* buffer = _buffer)
        {
            return (int)Math.Max(0, LibC.Read(_inotify.Number, buffer, BufferSize));
        }
    }

    private unsafe bool EventsWait()
    {
        int waiting;
        return LibC.Control(_inotify, WaitingBytes, &waiting) == 0 && waiting > 0;
    }

    private void Take(int number, uint mask, byte[] name, bool isFolder, List<FileChange> changes)
    {
        if ((mask & Overflowed) != 0)
        {
            changes.Add(Change(FileChangeType.Overflow, _root, isFolder: true));
            return;
        }

        if (!_folders.TryGetValue(number, out var folder))
        {
            return;
        }

        if ((mask & (Ignored | Unmounted | SelfDeleted)) != 0)
        {
            if (folder.Parent is null)
            {
                IsOver = true;
                if ((mask & Ignored) == 0)
                {
                    changes.Add(Change(FileChangeType.Delete, _root, isFolder: true));
                }
            }

            if ((mask & Ignored) != 0)
            {
                _folders.Remove(number);
            }

            return;
        }

        // A folder itself is told of by the one above it.
        if (name.Length == 0)
        {
            return;
        }

        var path = PathOf(number, name);
        if ((mask & (Created | MovedTo)) != 0)
        {
            changes.Add(Change(FileChangeType.Create, path, isFolder));
            if (isFolder && _recursive)
            {
                Cover(number, name, changes);
            }
        }
        else if ((mask & Deleted) != 0)
        {
            changes.Add(Change(FileChangeType.Delete, path, isFolder));
        }
        else
        {
            changes.Add(Change(FileChangeType.Modify, path, isFolder));
        }
    }

    /// <summary>Something was moved away, and not to where we look.</summary>
    private void Leave(int folder, byte[] name, bool isFolder, List<FileChange> changes)
    {
        if (!_folders.ContainsKey(folder))
        {
            return;
        }

        changes.Add(Change(FileChangeType.Delete, PathOf(folder, name), isFolder));
        if (isFolder)
        {
            Forget(folder, name);
        }
    }

    private void Rename(int fromFolder, byte[] fromName, int toFolder, byte[] toName, bool isFolder, List<FileChange> changes)
    {
        if (!_folders.ContainsKey(fromFolder) || !_folders.ContainsKey(toFolder))
        {
            Leave(fromFolder, fromName, isFolder, changes);
            Take(toFolder, MovedTo, toName, isFolder, changes);
            return;
        }

        changes.Add(Change(FileChangeType.Rename, PathOf(fromFolder, fromName), isFolder) with { NewPath = _tree.Root.Show(PathOf(toFolder, toName)) });
        foreach (var (number, _) in _folders.Where(one => one.Value.Parent == fromFolder && one.Value.Name.AsSpan().SequenceEqual(fromName)).ToList())
        {
            _folders[number] = new Folder(toFolder, toName);
        }
    }

    /// <summary>Covers a folder that has come, and tells what was put into it before it was covered.</summary>
    private void Cover(int parent, byte[] name, List<FileChange> changes)
    {
        SafeFileHandle folder;
        try
        {
            folder = _tree.OpenFolder(PathOf(parent, name), "path");
        }
        catch (GatewayException)
        {
            return; // Gone again, or closed to us.
        }

        using (folder)
        {
            CoverOpened(folder, parent, name, changes, tell: true);
        }
    }

    private void CoverOpened(SafeFileHandle folder, int parent, byte[] name, List<FileChange> changes, bool tell)
    {
        if (_folders.Count >= _maxFolders)
        {
            changes.Add(Change(FileChangeType.Overflow, _root, isFolder: true));
            return;
        }

        var number = (int)_tree.Calls.Watch(_inotify.Number, folder, Mask);
        if (number < 0)
        {
            changes.Add(Change(FileChangeType.Overflow, _root, isFolder: true));
            return;
        }

        _folders[number] = new Folder(parent, name);
        CoverBelow(folder, number, tell ? changes : null, changes);
    }

    private void CoverBelow(SafeFileHandle folder, int number, List<FileChange>? told, List<FileChange> changes)
    {
        var entries = new byte[8 << 10];
        for (long length; (length = _tree.Calls.Entries(folder, entries)) > 0;)
        {
            foreach (var name in FileCalls.NamesIn(entries, (int)length))
            {
                if (_tree.Calls.Stat(folder, name, out var status) < 0)
                {
                    continue;
                }

                var isFolder = status.Type == FileType.Directory;
                if (told is not null)
                {
                    told.Add(Change(FileChangeType.Create, PathOf(number, name), isFolder));
                    _found.Add((number, Key(name)));
                }

                if (isFolder && _folders.Count <= _maxFolders
                    && _tree.Calls.Open(folder, name, SystemCall.ReadOnly | SystemCall.Directory, 0, out var inner) == 0)
                {
                    using (inner)
                    {
                        CoverOpened(inner, number, name, changes, tell: told is not null);
                    }
                }
            }
        }
    }

    /// <summary>No more of a folder that was moved to where we do not look, and of those in it.</summary>
    private void Forget(int parent, byte[] name)
    {
        foreach (var (number, _) in _folders.Where(one => one.Value.Parent == parent && one.Value.Name.AsSpan().SequenceEqual(name)).ToList())
        {
            _folders.Remove(number);
            _ = LibC.InotifyRemoveWatch(_inotify.Number, number);
            foreach (var child in _folders.Where(one => one.Value.Parent == number).Select(one => one.Value.Name).ToList())
            {
                Forget(number, child);
            }
        }
    }

    private static string Key(byte[] name) => Encoding.Latin1.GetString(name);

    private byte[][] PathOf(int folder, byte[] name)
    {
        var below = new Stack<byte[]>([name]);
        for (int? at = folder; at is { } number && _folders.TryGetValue(number, out var one) && one.Parent is not null && below.Count < _maxFolders; at = one.Parent)
        {
            below.Push(one.Name);
        }

        return [.. _root, .. below];
    }

    private FileChange Change(FileChangeType type, byte[][] names, bool isFolder) =>
        new(type, _tree.Root.Show(names), _time.GetUtcNow(), IsDirectory: isFolder);

    private readonly record struct Folder(int? Parent, byte[] Name);
}
