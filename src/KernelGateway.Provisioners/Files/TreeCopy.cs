using System.Buffers;
using KernelGateway.Contracts.Files;
using Microsoft.Win32.SafeHandles;

namespace KernelGateway.Provisioners.Files;

/// <summary>Copies a file, a link (as a link) or a folder with all in it, through opened folders only.</summary>
internal sealed class TreeCopy(FileTree tree, CancellationToken cancellationToken)
{
    private const int MaxDepth = 64;
    private const int BufferSize = 64 << 10;

    internal void Copy(SafeFileHandle fromFolder, byte[][] from, SafeFileHandle toFolder, byte[][] to) => Copy(fromFolder, from, toFolder, to, MaxDepth);

    private void Copy(SafeFileHandle fromFolder, byte[][] from, SafeFileHandle toFolder, byte[][] to, int depth)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var status = tree.Stat(fromFolder, from[^1], from, "from");
        switch (status.Type)
        {
            case FileType.File:
                CopyFile(fromFolder, from, toFolder, to);
                break;
            case FileType.Symlink:
                tree.Check(tree.Calls.MakeLink(tree.Calls.ReadLink(fromFolder, from[^1]), toFolder, to[^1]), to, "to");
                break;
            case FileType.Directory when depth == 0:
                throw tree.Refusals.TooDeep(from, MaxDepth);
            case FileType.Directory:
                CopyFolder(fromFolder, from, toFolder, to, status, depth);
                break;
            default:
                tree.DemandFile(status, from, "from");
                break;
        }
    }

    private void CopyFile(SafeFileHandle fromFolder, byte[][] from, SafeFileHandle toFolder, byte[][] to)
    {
        tree.Check(tree.Calls.Open(fromFolder, from[^1], SystemCall.ReadOnly | SystemCall.NonBlocking | SystemCall.NoControllingTerminal, 0, out var source), from, "from");
        using (source)
        {
            var status = tree.Stat(source, [], from, "from");
            tree.DemandFile(status, from, "from");
            tree.Check(tree.Calls.Open(toFolder, to[^1], SystemCall.WriteOnly | SystemCall.Create | SystemCall.Exclusive, 0x180, out var target), to, "to");
            using (target)
            {
                Pour(source, status.Size, target, to);
                tree.Check(tree.Calls.Chmod(target, status.Permissions), to, "to");
            }
        }
    }

    /// <summary>As much as there was at the start: a file that grows for ever is not copied for ever.</summary>
    private void Pour(SafeFileHandle source, long length, SafeFileHandle target, byte[][] to)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        try
        {
            for (long at = 0; at < length;)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var read = RandomAccess.Read(source, buffer.AsSpan(0, (int)Math.Min(buffer.Length, length - at)), at);
                if (read == 0)
                {
                    return;
                }

                tree.Check(tree.Calls.Write(target, buffer.AsSpan(0, read)), to, "to");
                at += read;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private void CopyFolder(SafeFileHandle fromFolder, byte[][] from, SafeFileHandle toFolder, byte[][] to, FileStatus status, int depth)
    {
        tree.Check(tree.Calls.Open(fromFolder, from[^1], SystemCall.ReadOnly | SystemCall.Directory, 0, out var source), from, "from");
        using (source)
        {
            tree.Check(tree.Calls.MakeFolder(toFolder, to[^1], 0x1C0), to, "to");
            tree.Check(tree.Calls.Open(toFolder, to[^1], SystemCall.ReadOnly | SystemCall.Directory, 0, out var target), to, "to");
            using (target)
            {
                var buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
                try
                {
                    for (long length; (length = tree.Calls.Entries(source, buffer)) > 0;)
                    {
                        foreach (var name in FileCalls.NamesIn(buffer, (int)length))
                        {
                            Copy(source, [.. from, name], target, [.. to, name], depth - 1);
                        }
                    }
                }
                finally
                {
                    ArrayPool<byte>.Shared.Return(buffer);
                }

                tree.Check(tree.Calls.Chmod(target, status.Permissions), to, "to");
            }
        }
    }
}
