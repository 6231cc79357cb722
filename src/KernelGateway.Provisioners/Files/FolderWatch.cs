using System.Text;
using KernelGateway.Contracts.Files;
using KernelGateway.Core.Errors;
using Microsoft.Win32.SafeHandles;

namespace KernelGateway.Provisioners.Files;

/// <summary>Follows the changes of a folder, and of those below it, by inotify. When the kernel drops some, that is told.</summary>
internal sealed class FolderWatch : IDisposable
{
    private const uint Modify = 0x2, Attributes = 0x4, MovedFrom = 0x40, MovedTo = 0x80, Created = 0x100, Deleted = 0x200, SelfDeleted = 0x400;
    private const uint Unmounted = 0x2000, Overflowed = 0x4000, Ignored = 0x8000;
    private const uint OnlyFolder = 0x0100_0000;
    private const uint Mask = Modify | Attributes | MovedFrom | MovedTo | Created | Deleted | SelfDeleted | OnlyFolder;
    private const int MaxFound = 100_000;

    private readonly FileTree _tree;
    private readonly byte[][] _root;
    private readonly bool _recursive;
    private readonly int _maxFolders;
    private readonly TimeProvider _time;
    private readonly InotifyQueue _inotify;
    private readonly WatchedFolders _folders;

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
        _folders = new WatchedFolders(root, maxFolders);
        _inotify = new InotifyQueue();
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
            _folders.AddTop((int)number);
            changes.Add(Change(FileChangeType.Ready, _root, isFolder: true));
            if (_recursive)
            {
                CoverBelow(top, (int)number, null, changes);
            }
        }
    }

    /// <summary>Waits until there is something to read; false when the waiting was ended.</summary>
    internal Task<bool> WaitAsync(CancellationToken cancellationToken) => _inotify.WaitAsync(cancellationToken);

    /// <summary>Adds what has happened since the last call.</summary>
    internal void Read(List<FileChange> changes)
    {
        InotifyEvent? leaving = null;
        foreach (var change in _inotify.Read())
        {
            if (leaving is { } gone && (!change.Is(MovedTo) || change.Cookie != gone.Cookie))
            {
                Leave(gone, changes);
                leaving = null;
            }

            if (_found.Count > 0 && change.Is(Created | MovedFrom | MovedTo | Deleted) && _found.Remove((change.Folder, Key(change.Name))) && change.Is(Created))
            {
                continue;
            }

            if (change.Is(MovedFrom))
            {
                leaving = change;
                continue;
            }

            if (leaving is { } from)
            {
                leaving = null;
                Rename(from, change, changes);
                continue;
            }

            Take(change, changes);
        }

        if (leaving is { } last)
        {
            Leave(last, changes);
        }

        if (_found.Count > 0 && (_found.Count > MaxFound || !_inotify.HasMore))
        {
            _found.Clear();
        }
    }

    public void Dispose() => _inotify.Dispose();

    private void Take(InotifyEvent change, List<FileChange> changes)
    {
        if (change.Is(Overflowed))
        {
            changes.Add(Change(FileChangeType.Overflow, _root, isFolder: true));
            return;
        }

        if (!_folders.Has(change.Folder))
        {
            return;
        }

        if (change.Is(Ignored | Unmounted | SelfDeleted))
        {
            End(change, changes);
            return;
        }

        // A folder itself is told of by the one above it.
        if (change.Name.Length == 0)
        {
            return;
        }

        var isNew = change.Is(Created | MovedTo);
        var type = isNew ? FileChangeType.Create : change.Is(Deleted) ? FileChangeType.Delete : FileChangeType.Modify;
        changes.Add(Change(type, _folders.PathOf(change.Folder, change.Name), change.IsFolder));
        if (isNew && change.IsFolder && _recursive)
        {
            Cover(change.Folder, change.Name, changes);
        }
    }

    /// <summary>A covered folder itself is gone, or the kernel watches it no more.</summary>
    private void End(InotifyEvent change, List<FileChange> changes)
    {
        if (_folders.IsTop(change.Folder))
        {
            IsOver = true;
            if (!change.Is(Ignored))
            {
                changes.Add(Change(FileChangeType.Delete, _root, isFolder: true));
            }
        }

        if (change.Is(Ignored))
        {
            _folders.Remove(change.Folder);
        }
    }

    /// <summary>Something was moved away, and not to where we look.</summary>
    private void Leave(InotifyEvent gone, List<FileChange> changes)
    {
        if (!_folders.Has(gone.Folder))
        {
            return;
        }

        changes.Add(Change(FileChangeType.Delete, _folders.PathOf(gone.Folder, gone.Name), gone.IsFolder));
        if (gone.IsFolder)
        {
            _folders.RemoveTree(gone.Folder, gone.Name).ForEach(_inotify.Remove);
        }
    }

    private void Rename(InotifyEvent from, InotifyEvent to, List<FileChange> changes)
    {
        if (!_folders.Has(from.Folder) || !_folders.Has(to.Folder))
        {
            Leave(from, changes);
            Take(to, changes);
            return;
        }

        changes.Add(Change(FileChangeType.Rename, _folders.PathOf(from.Folder, from.Name), to.IsFolder) with { NewPath = _tree.Root.Show(_folders.PathOf(to.Folder, to.Name)) });
        _folders.Move(from.Folder, from.Name, to.Folder, to.Name);
    }

    /// <summary>Covers a folder that has come, and tells what was put into it before it was covered.</summary>
    private void Cover(int parent, byte[] name, List<FileChange> changes)
    {
        SafeFileHandle folder;
        try
        {
            folder = _tree.OpenFolder(_folders.PathOf(parent, name), "path");
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

        _folders.Add(number, parent, name);
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
                    told.Add(Change(FileChangeType.Create, _folders.PathOf(number, name), isFolder));
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

    private static string Key(byte[] name) => Encoding.Latin1.GetString(name);

    private FileChange Change(FileChangeType type, byte[][] names, bool isFolder) =>
        new(type, _tree.Root.Show(names), _time.GetUtcNow(), IsDirectory: isFolder);
}
