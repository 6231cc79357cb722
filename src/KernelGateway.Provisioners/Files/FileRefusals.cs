using System.Runtime.InteropServices;
using KernelGateway.Contracts.Files;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Files;

namespace KernelGateway.Provisioners.Files;

/// <summary>Says in the API's words what is in the way of a call on files, wherever they are.</summary>
internal sealed class FileRefusals(PlacePaths paths)
{
    /// <summary>What the error of a system call means.</summary>
    /// <param name="error">The errno of Linux.</param>
    /// <param name="names">The path of the call.</param>
    /// <param name="link">The first part of it that is a link, if one is.</param>
    /// <param name="field">What the request calls the path.</param>
    internal GatewayException Explain(int error, byte[][] names, byte[][]? link, string field)
    {
        var shown = paths.Show(names);
        return error switch
        {
            FileCalls.NotFound => new(ErrorCode.FileNotFound, $"'{field}' does not exist in the sandbox: {shown}.", field),
            FileCalls.SymbolicLink => Link(link ?? names, field),
            FileCalls.NotAFolder => link is not null
                ? Link(link, field)
                : new(ErrorCode.NotADirectory, $"'{field}' needs a folder where there is none: {shown}.", field),
            FileCalls.IsAFolder => new(ErrorCode.IsADirectory, $"'{field}' is a folder: {shown}.", field),
            FileCalls.NotEmpty => new(ErrorCode.DirectoryNotEmpty, $"'{field}' is a folder that is not empty: {shown}. Ask for 'recursive' to remove what is in it too.", field),
            FileCalls.Exists => new(ErrorCode.AlreadyExists, $"'{field}' exists already: {shown}. Remove it first, or ask for 'overwrite' where it is a file.", field),
            FileCalls.AccessDenied or FileCalls.NotPermitted => new(ErrorCode.PermissionDenied, $"'{field}' may not be used so by the sandbox's user: {shown}. Its owner and permissions decide.", field),
            FileCalls.ReadOnlyFileSystem => new(ErrorCode.PermissionDenied, $"'{field}' is in a part of the sandbox that is read-only: {shown}. Write below {paths.Show(paths.Locate(SandboxPath.Parse("."), field))}.", field),
            FileCalls.NoSpace or FileCalls.NoQuota => new(ErrorCode.DiskFull, $"The sandbox's disk is full, or has no more room for files, at {shown}. Remove something.", field),
            FileCalls.FileTooLarge => new(ErrorCode.TooLarge, $"'{field}' would become larger than its file system takes: {shown}.", field),
            FileCalls.NameTooLong => new(ErrorCode.InvalidPath, $"'{field}' is longer than its file system takes: {shown}.", field),
            FileCalls.NoDevice => new(ErrorCode.NotARegularFile, $"'{field}' is a FIFO, socket or device: {shown}.", field),
            FileCalls.Invalid => new(ErrorCode.InvalidPath, $"'{field}' cannot be used so: {shown}. A folder cannot go below itself, for example.", field),
            _ => new(ErrorCode.HostNotReady, $"'{field}' could not be used: {shown}: {Marshal.GetPInvokeErrorMessage(error)}.", field),
        };
    }

    /// <summary>Refuses what is no ordinary file.</summary>
    internal void DemandFile(FileType type, byte[][] names, string field)
    {
        var shown = paths.Show(names);
        switch (type)
        {
            case FileType.Directory:
                throw new GatewayException(ErrorCode.IsADirectory, $"'{field}' is a folder: {shown}. Name a file in it.", field);
            case FileType.Symlink:
                throw Link(names, field);
            case FileType.Other:
                throw new GatewayException(ErrorCode.NotARegularFile, $"'{field}' is a FIFO, socket or device: {shown}. Only ordinary files can be read and written here; code in the sandbox can use the others.", field);
        }
    }

    /// <summary>Refuses a copy or move into itself.</summary>
    internal void DemandApart(byte[][] source, byte[][] target)
    {
        var (from, to) = (paths.Show(source), paths.Show(target));
        if (to == from || to.StartsWith(from + "/", StringComparison.Ordinal))
        {
            throw new GatewayException(ErrorCode.InvalidPath, $"'to' is 'from' itself or within it: {to}. Choose another path.", "to");
        }
    }

    internal GatewayException IsRoot(string field) => new(ErrorCode.InvalidPath, $"'{field}' must name something below {paths.Show([])}.", field);

    internal GatewayException Changed(byte[][] names) => new(ErrorCode.FileChanged, $"'path' is not the version asked for any more: {paths.Show(names)}. Read it again.", "path");

    internal GatewayException TooDeep(byte[][] names, int most) =>
        new(ErrorCode.TooLarge, $"'from' has folders more than {most} deep, at {paths.Show(names)}. Copy parts of it, or let code in the sandbox do it.", "from");

    internal static GatewayException OverLimit(long maxBytes) =>
        new(ErrorCode.TooLarge, $"The file may have at most {maxBytes} bytes. Send less, or have Gateway:Files:MaxFileBytes raised.", "path");

    internal static GatewayException NothingArrived() =>
        new(ErrorCode.Conflict, "'offset' is not 0, but nothing has arrived of this upload, or it is complete already. Start again at 0, or look at the file.", "offset");

    internal static GatewayException BusyUpload() =>
        new(ErrorCode.Conflict, "Another part of this upload is being written. Send one after the other.", "uploadId");

    internal static GatewayException WrongOffset(long asked, long arrived) =>
        new(ErrorCode.Conflict, $"'offset' is {asked}, but {arrived} bytes of this upload have arrived. Go on there.", "offset");

    internal static GatewayException TooManyWatches(int most) =>
        new(ErrorCode.LimitReached, $"A sandbox can have {most} watches at once. End one of them, or watch a folder further up.");

    /// <summary>What an upload is called while it is not complete.</summary>
    internal static string CheckUpload(string uploadId) => uploadId is { Length: >= 8 and <= 64 } && uploadId.All(char.IsAsciiLetterOrDigit)
        ? uploadId
        : throw new GatewayException(ErrorCode.InvalidArgument, "'uploadId' must be 8 to 64 letters and digits.", "uploadId");

    private GatewayException Link(byte[][] names, string field) => new(
        ErrorCode.SymlinkNotFollowed, $"'{field}' leads through the symbolic link {paths.Show(names)}, and links are not followed. Use the path it points to.", field);
}
