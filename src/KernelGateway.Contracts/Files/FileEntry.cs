using System.Text.Json.Serialization;

namespace KernelGateway.Contracts.Files;

/// <summary>What a name in a sandbox stands for.</summary>
[JsonConverter(typeof(CamelCaseEnumConverter<FileType>))]
public enum FileType
{
    /// <summary>An ordinary file.</summary>
    File,

    /// <summary>A folder.</summary>
    Directory,

    /// <summary>A symbolic link; it is shown and can be removed, but never followed.</summary>
    Symlink,

    /// <summary>A FIFO, socket or device: it can be removed, but not read or written.</summary>
    Other,
}

/// <summary>One name in a sandbox.</summary>
/// <param name="Path">The absolute path, as code in the sandbox sees it. Names are bytes: one that is not UTF-8 is written as <c>%XX</c>, and <c>%25</c> stands for a percent sign where it could be mistaken.</param>
/// <param name="Name">Its last part; <c>/</c> for the root.</param>
/// <param name="Type">What it is.</param>
/// <param name="Size">Bytes; of a folder or link what its file system says.</param>
/// <param name="ModifiedAt">When its content last changed.</param>
/// <param name="Mode">The permission bits, octal, for example <c>0644</c>.</param>
/// <param name="ETag">Changes whenever the file does; for <c>If-Match</c>. <c>null</c> when it is no ordinary file.</param>
/// <param name="Target">Where a symbolic link points to, unchecked; <c>null</c> for all else, and in lists.</param>
public sealed record FileEntry(
    string Path,
    string Name,
    FileType Type,
    long Size,
    DateTimeOffset ModifiedAt,
    string Mode,
    string? ETag = null,
    string? Target = null);

/// <summary>One page of a folder's content.</summary>
/// <param name="Items">Ordered by the bytes of their paths, a folder before what is in it.</param>
/// <param name="NextCursor">Ask with this for what follows; <c>null</c> when there is no more.</param>
public sealed record FileList(IReadOnlyList<FileEntry> Items, string? NextCursor);

/// <summary>How much of an upload in parts has arrived.</summary>
/// <param name="UploadId">The caller's name for the upload.</param>
/// <param name="Offset">The bytes that have arrived: the next part starts here.</param>
/// <param name="File">The file, once the last part has arrived.</param>
public sealed record UploadProgress(string UploadId, long Offset, FileEntry? File = null);
