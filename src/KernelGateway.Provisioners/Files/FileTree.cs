using System.Runtime.InteropServices;
using KernelGateway.Contracts.Files;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Files;
using Microsoft.Win32.SafeHandles;

namespace KernelGateway.Provisioners.Files;

/// <summary>Looks names up below the root of a place and says in the API's words what is in the way.</summary>
internal sealed class FileTree(FileRoot root, FileCalls calls)
{
    internal FileCalls Calls => calls;

    internal FileRoot Root => root;

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
            throw new GatewayException(ErrorCode.InvalidPath, $"'{field}' must name something below {root.Show([])}.", field);
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
    internal void DemandFile(FileStatus status, byte[][] names, string field)
    {
        var shown = root.Show(names);
        switch (status.Type)
        {
            case FileType.Directory:
                throw new GatewayException(ErrorCode.IsADirectory, $"'{field}' is a folder: {shown}. Name a file in it.", field);
            case FileType.Symlink:
                throw Link(names, field);
            case FileType.Other:
                throw new GatewayException(ErrorCode.NotARegularFile, $"'{field}' is a FIFO, socket or device: {shown}. Only ordinary files can be read and written here; code in the sandbox can use the others.", field);
        }
    }

    private GatewayException Link(byte[][] names, string field) => new(
        ErrorCode.SymlinkNotFollowed, $"'{field}' leads through the symbolic link {root.Show(names)}, and links are not followed. Use the path it points to.", field);

    private GatewayException Explain(int error, byte[][] names, string field)
    {
        var shown = root.Show(names);
        return error switch
        {
            FileCalls.NotFound => new(ErrorCode.FileNotFound, $"'{field}' does not exist in the sandbox: {shown}.", field),
            FileCalls.SymbolicLink => Link(FindLink(names) ?? names, field),
            FileCalls.NotAFolder => FindLink(names) is { } link
                ? Link(link, field)
                : new(ErrorCode.NotADirectory, $"'{field}' needs a folder where there is none: {shown}.", field),
            FileCalls.IsAFolder => new(ErrorCode.IsADirectory, $"'{field}' is a folder: {shown}.", field),
            FileCalls.NotEmpty => new(ErrorCode.DirectoryNotEmpty, $"'{field}' is a folder that is not empty: {shown}. Ask for 'recursive' to remove what is in it too.", field),
            FileCalls.Exists => new(ErrorCode.AlreadyExists, $"'{field}' exists already: {shown}. Remove it first, or ask for 'overwrite' where it is a file.", field),
            FileCalls.AccessDenied or FileCalls.NotPermitted => new(ErrorCode.PermissionDenied, $"'{field}' may not be used so by the sandbox's user: {shown}. Its owner and permissions decide.", field),
            FileCalls.ReadOnlyFileSystem => new(ErrorCode.PermissionDenied, $"'{field}' is in a part of the sandbox that is read-only: {shown}. Write below {root.Show(root.Locate(SandboxPath.Parse("."), field))}.", field),
            FileCalls.NoSpace or FileCalls.NoQuota => new(ErrorCode.DiskFull, $"The sandbox's disk is full, or has no more room for files, at {shown}. Remove something.", field),
            FileCalls.FileTooLarge => new(ErrorCode.TooLarge, $"'{field}' would become larger than its file system takes: {shown}.", field),
            FileCalls.NameTooLong => new(ErrorCode.InvalidPath, $"'{field}' is longer than its file system takes: {shown}.", field),
            FileCalls.NoDevice => new(ErrorCode.NotARegularFile, $"'{field}' is a FIFO, socket or device: {shown}.", field),
            FileCalls.Invalid => new(ErrorCode.InvalidPath, $"'{field}' cannot be used so: {shown}. A folder cannot go below itself, for example.", field),
            _ => new(ErrorCode.HostNotReady, $"'{field}' could not be used: {shown}: {Marshal.GetPInvokeErrorMessage(error)}.", field),
        };
    }

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
