namespace KernelGateway.Contracts.Files;

/// <summary>Body of <c>POST …/files/mkdir</c>.</summary>
/// <param name="Path">The folder to make.</param>
/// <param name="Parents">Make what is missing above it too, and be content when the folder exists.</param>
public sealed record MakeFolderRequest(string Path, bool Parents = true);

/// <summary>Body of <c>POST …/files/copy</c> and <c>…/files/move</c>.</summary>
/// <param name="From">What to copy or move: a file, or a folder with all that is in it.</param>
/// <param name="To">Its new path; not the folder to put it into.</param>
/// <param name="Overwrite">Replace a file that is there already.</param>
public sealed record TransferRequest(string From, string To, bool Overwrite = false);

/// <summary>Body of <c>POST …/files/batch</c>.</summary>
/// <param name="Files">The files, written in this order; missing folders are made.</param>
public sealed record WriteFilesRequest(IReadOnlyList<FileToWrite> Files);

/// <summary>One file of a batch; exactly one of <paramref name="Text"/> and <paramref name="Base64"/>.</summary>
/// <param name="Path">Where it goes.</param>
/// <param name="Text">The content, as text that is stored as UTF-8.</param>
/// <param name="Base64">The content, as bytes in base64.</param>
public sealed record FileToWrite(string Path, string? Text = null, byte[]? Base64 = null);

/// <summary>What a batch wrote.</summary>
/// <param name="Items">The files, in the order of the request.</param>
public sealed record WrittenFiles(IReadOnlyList<FileEntry> Items);
