using System.Buffers;
using System.Buffers.Text;
using KernelGateway.Contracts.Files;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;
using Microsoft.Win32.SafeHandles;

namespace KernelGateway.Provisioners.Files;

/// <summary>Makes one page of a list. However many names a folder has, no more than a page of them is in memory for each level.</summary>
/// <remarks>
/// Each page reads the folders again and picks the smallest names after the last of the page before, in the order of their bytes. So a
/// page is right whatever was made or removed since, and nothing is kept between pages.
/// </remarks>
internal sealed class FolderListing(FileTree tree, FileListing how, CancellationToken cancellationToken)
{
    private const int EntriesBuffer = 32 << 10;

    private readonly List<FileEntry> _page = [];
    private byte[][] _last = [];
    private bool _isFull;

    internal FileList List(byte[][] folder)
    {
        var after = how.Cursor is null ? [] : ReadCursor(how.Cursor, how.Depth);
        using (var top = tree.OpenFolder(folder, "path"))
        {
            Descend(top, folder, [], after);
        }

        return new FileList(_page, _isFull ? Base64Url.EncodeToString(Cursor(_last)) : null);
    }

    /// <summary>The content of a folder after a path, folders before what is in them. Its depth is bounded by what was asked for, and that by configuration.</summary>
    private void Descend(SafeFileHandle folder, byte[][] root, byte[][] below, byte[][] after)
    {
        // What is below the folder in which the last page ended comes before its neighbours.
        if (after.Length > 1)
        {
            Enter(folder, root, [.. below, after[0]], after[1..]);
        }
        else if (after.Length == 1)
        {
            Enter(folder, root, [.. below, after[0]], []);
        }

        var start = after.Length > 0 ? after[0] : null;
        while (!_isFull)
        {
            var most = how.Limit - _page.Count + 1;
            var names = Smallest(folder, start, most);
            foreach (var name in names)
            {
                Add(folder, root, [.. below, name]);
                if (_isFull)
                {
                    return;
                }
            }

            if (names.Count < most)
            {
                return;
            }

            start = names[^1];
        }
    }

    private void Add(SafeFileHandle folder, byte[][] root, byte[][] below)
    {
        if (tree.Calls.Stat(folder, below[^1], out var status) < 0)
        {
            return; // Removed meanwhile.
        }

        if (_page.Count == how.Limit)
        {
            _isFull = true;
            return;
        }

        _page.Add(status.Describe(tree.Root.Show(root.Concat(below))));
        _last = below;
        if (status.Type == FileType.Directory)
        {
            Enter(folder, root, below, []);
        }
    }

    private void Enter(SafeFileHandle folder, byte[][] root, byte[][] below, byte[][] after)
    {
        if (below.Length >= how.Depth)
        {
            return;
        }

        // What cannot be entered is listed all the same, and a link that has taken its place is not followed.
        if (tree.Calls.Open(folder, below[^1], SystemCall.ReadOnly | SystemCall.Directory, 0, out var inner) == 0)
        {
            using (inner)
            {
                Descend(inner, root, below, after);
            }
        }
    }

    /// <summary>The smallest names of a folder after one, in order.</summary>
    private List<byte[]> Smallest(SafeFileHandle folder, byte[]? after, int most)
    {
        var opened = tree.Calls.Open(folder, [], SystemCall.ReadOnly | SystemCall.Directory, 0, out var reading);
        if (opened < 0)
        {
            return [];
        }

        var largestFirst = new PriorityQueue<byte[], byte[]>(Comparer<byte[]>.Create(static (a, b) => b.AsSpan().SequenceCompareTo(a)));
        var buffer = ArrayPool<byte>.Shared.Rent(EntriesBuffer);
        try
        {
            for (long length; (length = tree.Calls.Entries(reading, buffer)) > 0;)
            {
                cancellationToken.ThrowIfCancellationRequested();
                foreach (var name in FileCalls.NamesIn(buffer, (int)length))
                {
                    if (after is not null && name.AsSpan().SequenceCompareTo(after) <= 0)
                    {
                        continue;
                    }

                    if (largestFirst.Count < most)
                    {
                        largestFirst.Enqueue(name, name);
                    }
                    else
                    {
                        largestFirst.EnqueueDequeue(name, name);
                    }
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
            reading.Dispose();
        }

        var names = new List<byte[]>(largestFirst.Count);
        while (largestFirst.TryDequeue(out var name, out _))
        {
            names.Add(name);
        }

        names.Reverse();
        return names;
    }

    /// <summary>Where a page ended, as it is given to who asks for the next.</summary>
    internal static byte[] Cursor(byte[][] names) => [.. names.SelectMany(name => name.Prepend((byte)'/')).Skip(1)];

    /// <summary>The path below the listed folder in the cursor of a page.</summary>
    internal static byte[][] ReadCursor(string cursor, int depth)
    {
        var bytes = new byte[Base64Url.GetMaxDecodedLength(cursor.Length)];
        if (Base64Url.IsValid(cursor) && Base64Url.TryDecodeFromChars(cursor, bytes, out var length))
        {
            var names = new List<byte[]>();
            foreach (var range in bytes.AsSpan(0, length).Split((byte)'/'))
            {
                names.Add(bytes[range]);
            }

            if (names.Count <= depth && names.All(name => name.Length > 0 && !name.AsSpan().SequenceEqual("."u8) && !name.AsSpan().SequenceEqual(".."u8) && !name.Contains((byte)0)))
            {
                return [.. names];
            }
        }

        throw new GatewayException(ErrorCode.InvalidArgument, "'cursor' must be the nextCursor of an earlier page of the same list.", "cursor");
    }
}
