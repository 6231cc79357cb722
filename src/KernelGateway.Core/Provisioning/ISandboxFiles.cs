using KernelGateway.Contracts.Files;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Files;

namespace KernelGateway.Core.Provisioning;

/// <summary>A place whose files can be reached without its kernels: a power that not every variant has.</summary>
public interface IFileHost
{
    /// <summary>The files of the place, as its own user may use them.</summary>
    ISandboxFiles Files { get; }

    /// <summary>Has <see cref="Files"/> be there before the first kernel, where only a kernel would otherwise tell where they are.</summary>
    /// <param name="cancellationToken">Stops the waiting.</param>
    Task OpenFilesAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}

/// <summary>The files of a sandbox. Never waits for running code; what the sandbox's user may not do cannot be done here either.</summary>
/// <remarks>
/// All calls fail with a <see cref="GatewayException"/> whose code names what is in the way (<see cref="ErrorCode.FileNotFound"/>,
/// <see cref="ErrorCode.SymlinkNotFollowed"/>, <see cref="ErrorCode.PermissionDenied"/>, <see cref="ErrorCode.DiskFull"/> …), and with
/// <see cref="ErrorCode.Conflict"/> when the sandbox ends meanwhile. No symbolic link is ever followed.
/// </remarks>
public interface ISandboxFiles
{
    /// <summary>Whether what lies beside the working folder is the sandbox's as well, so that it belongs into snapshots; false where it is a machine that others have set up.</summary>
    bool OwnsTop => true;

    /// <summary>Describes one name; a link is described itself.</summary>
    Task<FileEntry> StatAsync(SandboxPath path, CancellationToken cancellationToken);

    /// <summary>Opens an ordinary file for reading. Its length is fixed now, whatever is done to the file later.</summary>
    Task<IFileContent> OpenAsync(SandboxPath path, CancellationToken cancellationToken);

    /// <summary>Writes a file so that it is there completely or not at all; the last of several at once wins.</summary>
    /// <param name="path">Where.</param>
    /// <param name="content">Read to its end.</param>
    /// <param name="how">Conditions and limits.</param>
    /// <param name="cancellationToken">Leaves the file as it was.</param>
    Task<FileEntry> WriteAsync(SandboxPath path, Stream content, FileWrite how, CancellationToken cancellationToken);

    /// <summary>Adds a part to an upload; with the last one the file is there, as after <see cref="WriteAsync"/>.</summary>
    /// <param name="path">Where the file is to be in the end.</param>
    /// <param name="part">Which part of which upload.</param>
    /// <param name="content">Read to its end. What arrived of a part that was cut is kept.</param>
    /// <param name="how">Conditions and limits.</param>
    /// <param name="cancellationToken">Ends the part.</param>
    /// <exception cref="GatewayException"><see cref="ErrorCode.Conflict"/>: the part does not start where the last ended; the message says where that is.</exception>
    Task<UploadProgress> WritePartAsync(SandboxPath path, UploadPart part, Stream content, FileWrite how, CancellationToken cancellationToken);

    /// <summary>How much of an upload has arrived; 0 when none of it.</summary>
    Task<UploadProgress> GetUploadAsync(SandboxPath path, string uploadId, CancellationToken cancellationToken);

    /// <summary>Lists a folder, page by page, with what is below it as far down as asked for.</summary>
    Task<FileList> ListAsync(SandboxPath path, FileListing how, CancellationToken cancellationToken);

    /// <summary>Makes a folder.</summary>
    /// <param name="path">Where.</param>
    /// <param name="parents">Make what is missing above too, and be content when the folder exists.</param>
    /// <param name="cancellationToken">Stops the call.</param>
    Task<FileEntry> MakeFolderAsync(SandboxPath path, bool parents, CancellationToken cancellationToken);

    /// <summary>Removes a file, a link (never what it points to) or a folder.</summary>
    /// <param name="path">What.</param>
    /// <param name="recursive">Remove what is in a folder too.</param>
    /// <param name="cancellationToken">Stops in the middle.</param>
    Task RemoveAsync(SandboxPath path, bool recursive, CancellationToken cancellationToken);

    /// <summary>Copies a file, or a folder with all in it; links are copied as links.</summary>
    Task<FileEntry> CopyAsync(SandboxPath from, SandboxPath to, bool overwrite, CancellationToken cancellationToken);

    /// <summary>Gives a file or folder another path.</summary>
    Task<FileEntry> MoveAsync(SandboxPath from, SandboxPath to, bool overwrite, CancellationToken cancellationToken);

    /// <summary>Makes a symbolic link; what it points to is not looked at.</summary>
    /// <param name="path">Where.</param>
    /// <param name="target">What it points to, as code in the sandbox reads it.</param>
    /// <param name="cancellationToken">Stops the call.</param>
    /// <exception cref="GatewayException"><see cref="ErrorCode.AlreadyExists"/>; <see cref="ErrorCode.NotSupported"/>: this place has no links.</exception>
    Task MakeLinkAsync(SandboxPath path, string target, CancellationToken cancellationToken) =>
        throw new GatewayException(ErrorCode.NotSupported, "The variant of this sandbox makes no links through its files. Code in it can.", "path");

    /// <summary>Sets the permission bits and the time of a file's or folder's last change, of a link only the time.</summary>
    /// <param name="path">Which.</param>
    /// <param name="mode">The permission bits; <c>null</c> leaves them.</param>
    /// <param name="modifiedAt">When its content last changed.</param>
    /// <param name="cancellationToken">Stops the call.</param>
    /// <exception cref="GatewayException"><see cref="ErrorCode.NotSupported"/>: this place keeps none.</exception>
    Task SetAttributesAsync(SandboxPath path, int? mode, DateTimeOffset modifiedAt, CancellationToken cancellationToken) =>
        throw new GatewayException(ErrorCode.NotSupported, "The variant of this sandbox keeps no permissions and times of files.", "path");

    /// <summary>Tells changes below a folder until the sandbox has ended; the first is <see cref="FileChangeType.Ready"/>.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="recursive">Tell of the folders below it too.</param>
    /// <param name="maxFolders">Most folders to cover; when there are more, <see cref="FileChangeType.Overflow"/> says so.</param>
    /// <param name="cancellationToken">Ends the watch.</param>
    IAsyncEnumerable<FileChange> WatchAsync(SandboxPath path, bool recursive, int maxFolders, CancellationToken cancellationToken);
}

/// <summary>A file that was opened for reading.</summary>
public interface IFileContent : IDisposable
{
    /// <summary>What it was when it was opened.</summary>
    FileEntry Entry { get; }

    /// <summary>Reads from a position; 0 only when the file has become shorter than <see cref="FileEntry.Size"/>.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.Conflict"/>: the sandbox has ended.</exception>
    ValueTask<int> ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken);
}

/// <summary>How a file is written.</summary>
/// <param name="MaxBytes">Most bytes it may have; with one more nothing is written.</param>
/// <param name="MakeParents">Make the folders above it that are missing.</param>
/// <param name="Mode">Its permission bits; <c>null</c>: those of the file that is replaced, or 0600.</param>
/// <param name="IfMatch">Only when the present file has this <see cref="FileEntry.ETag"/>.</param>
/// <param name="IfAbsent">Only when there is nothing of that name.</param>
public sealed record FileWrite(long MaxBytes, bool MakeParents = true, int? Mode = null, string? IfMatch = null, bool IfAbsent = false);

/// <summary>A part of an upload.</summary>
/// <param name="UploadId">The caller's name for the upload: 8 to 64 letters and digits.</param>
/// <param name="Offset">Where in the file the part starts.</param>
/// <param name="IsLast">Whether the file is complete with it.</param>
public sealed record UploadPart(string UploadId, long Offset, bool IsLast);

/// <summary>What to list.</summary>
/// <param name="Depth">1: the folder's own content; each one more, a level of sub-folders.</param>
/// <param name="Limit">Most entries of the page.</param>
/// <param name="Cursor">The <see cref="FileList.NextCursor"/> of the page before; <c>null</c> for the first.</param>
public sealed record FileListing(int Depth, int Limit, string? Cursor);
