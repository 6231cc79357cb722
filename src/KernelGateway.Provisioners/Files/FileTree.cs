using KernelGateway.Contracts.Files;
using KernelGateway.Core.Errors;
using Microsoft.Win32.SafeHandles;

namespace KernelGateway.Provisioners.Files;

/// <summary>Looks names up below the root of a place and says in the API's words what is in the way.</summary>
internal sealed class FileTree(FileRoot root, FileCalls calls)
{
    internal FileCalls Calls => calls;

    internal FileRoot Root => root;

    internal FileRefusals Refusals { get; } = new(root.Paths);

    /// <summary>Opens a folder or file; the last name may be a link only with <see cref="SystemCall.PathOnly"/>.</summary>
    internal SafeFileHandle Open(byte[][] names, int flags, string field)
    {
        using var top = root.Open();
        Check(calls.Open(top, Join(names), flags, 0, out var opened), names, field);
        return opened;
    }

    /// <summary>Opens the folder that a name is in.</summary>
    internal SafeFileHandle OpenParent(byte[][] names, string field)
    {
        if (names.Length == 0)
        {
            throw Refusals.IsRoot(field);
        }

        return Open(names[..^1], SystemCall.PathOnly | SystemCall.Directory, field);
    }

    /// <summary>Opens a folder for reading its entries.</summary>
    internal SafeFileHandle OpenFolder(byte[][] names, string field) => Open(names, SystemCall.ReadOnly | SystemCall.Directory, field);

    /// <summary>Opens the folder that a name is in, and makes it and those above it where they are missing.</summary>
    internal SafeFileHandle MakeParent(byte[][] names, string field)
    {
        try
        {
            return OpenParent(names, field);
        }
        catch (GatewayException error) when (error.Code == ErrorCode.FileNotFound)
        {
            MakeFolders(names[..^1], field);
            return OpenParent(names, field);
        }
    }

    /// <summary>Makes a folder and those above it that are missing.</summary>
    internal void MakeFolders(byte[][] names, string field)
    {
        using var top = root.Open();
        for (var length = 1; length <= names.Length; length++)
        {
            var upTo = names[..length];
            var result = calls.Open(top, Join(upTo), SystemCall.PathOnly | SystemCall.Directory, 0, out var there);
            there.Dispose();
            if (result != -FileCalls.NotFound)
            {
                Check(result, upTo, field);
                continue;
            }

            Check(calls.Open(top, Join(names[..(length - 1)]), SystemCall.PathOnly | SystemCall.Directory, 0, out var parent), upTo, field);
            using (parent)
            {
                var made = calls.MakeFolder(parent, names[length - 1], 0x1ED);
                Check(made == -FileCalls.Exists ? 0 : made, upTo, field);
            }
        }
    }

    internal FileStatus Stat(SafeFileHandle folder, byte[] name, byte[][] names, string field)
    {
        Check(calls.Stat(folder, name, out var status), names, field);
        return status;
    }

    /// <summary>As <see cref="Stat(SafeFileHandle, byte[], byte[][], string)"/>; <c>null</c> when there is nothing of the name.</summary>
    internal FileStatus? Find(SafeFileHandle folder, byte[] name, byte[][] names, string field)
    {
        var result = calls.Stat(folder, name, out var status);
        if (result == -FileCalls.NotFound)
        {
            return null;
        }

        Check(result, names, field);
        return status;
    }

    /// <summary>Turns the error of a call into the API's.</summary>
    /// <exception cref="GatewayException">The result is an error.</exception>
    internal void Check(long result, byte[][] names, string field)
    {
        if (result < 0)
        {
            throw Explain((int)-result, names, field);
        }
    }

    /// <summary>Refuses what is no ordinary file.</summary>
    internal void DemandFile(FileStatus status, byte[][] names, string field) => Refusals.DemandFile(status.Type, names, field);

    private GatewayException Explain(int error, byte[][] names, string field) =>
        Refusals.Explain(error, names, error is FileCalls.SymbolicLink or FileCalls.NotAFolder ? FindLink(names) : null, field);

    /// <summary>The first part of a path that is a link, if it still is.</summary>
    private byte[][]? FindLink(byte[][] names)
    {
        using var top = root.Open();
        for (var length = 1; length <= names.Length; length++)
        {
            var result = calls.Open(top, Join(names[..length]), SystemCall.PathOnly, 0, out var part);
            using (part)
            {
                if (result == 0 && calls.Stat(part, [], out var status) == 0 && status.Type == FileType.Symlink)
                {
                    return names[..length];
                }
            }
        }

        return null;
    }

    private static byte[] Join(byte[][] names)
    {
        var path = new byte[Math.Max(0, names.Sum(name => name.Length + 1) - 1)];
        var at = 0;
        foreach (var name in names)
        {
            if (at > 0)
            {
                path[at++] = (byte)'/';
            }

            name.CopyTo(path, at);
            at += name.Length;
        }

        return path;
    }
}
