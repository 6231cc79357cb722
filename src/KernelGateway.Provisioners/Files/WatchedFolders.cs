namespace KernelGateway.Provisioners.Files;

/// <summary>The folders that a watch covers, by watch descriptor, and where they are.</summary>
/// <param name="root">The names of the folders on the way to the watched one.</param>
/// <param name="most">As many as there may be.</param>
internal sealed class WatchedFolders(byte[][] root, int most)
{
    // The parent is another one of them, none for the watched folder itself.
    private readonly Dictionary<int, Folder> _folders = [];

    internal int Count => _folders.Count;

    internal bool Has(int folder) => _folders.ContainsKey(folder);

    /// <summary>Whether it is the watched folder itself, that all others are in.</summary>
    internal bool IsTop(int folder) => _folders.TryGetValue(folder, out var one) && one.Parent is null;

    internal void AddTop(int folder) => _folders[folder] = new Folder(null, []);

    internal void Add(int folder, int parent, byte[] name) => _folders[folder] = new Folder(parent, name);

    internal void Remove(int folder) => _folders.Remove(folder);

    /// <summary>The way to something in a folder.</summary>
    internal byte[][] PathOf(int folder, byte[] name)
    {
        var below = new Stack<byte[]>([name]);
        for (int? at = folder; at is { } number && _folders.TryGetValue(number, out var one) && one.Parent is not null && below.Count < most; at = one.Parent)
        {
            below.Push(one.Name);
        }

        return [.. root, .. below];
    }

    /// <summary>A folder has another place or name now.</summary>
    internal void Move(int fromParent, byte[] fromName, int toParent, byte[] toName)
    {
        foreach (var folder in Find(fromParent, fromName))
        {
            Add(folder, toParent, toName);
        }
    }

    /// <summary>Takes out a folder and those in it.</summary>
    /// <returns>What was taken out.</returns>
    internal List<int> RemoveTree(int parent, byte[] name)
    {
        var removed = new List<int>();
        RemoveTree(parent, name, removed);
        return removed;
    }

    private void RemoveTree(int parent, byte[] name, List<int> removed)
    {
        foreach (var folder in Find(parent, name))
        {
            Remove(folder);
            removed.Add(folder);
            foreach (var child in _folders.Where(one => one.Value.Parent == folder).Select(one => one.Value.Name).ToList())
            {
                RemoveTree(folder, child, removed);
            }
        }
    }

    private List<int> Find(int parent, byte[] name) =>
        [.. _folders.Where(one => one.Value.Parent == parent && one.Value.Name.AsSpan().SequenceEqual(name)).Select(one => one.Key)];

    private readonly record struct Folder(int? Parent, byte[] Name);
}
