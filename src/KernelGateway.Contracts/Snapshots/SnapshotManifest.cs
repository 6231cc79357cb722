using KernelGateway.Contracts.Files;

namespace KernelGateway.Contracts.Snapshots;

/// <summary>What is in a snapshot and what is not.</summary>
/// <param name="Snapshot">The snapshot.</param>
/// <param name="Contexts">Its contexts; the first is the default one.</param>
/// <param name="Files">Files, folders and links, by path.</param>
/// <param name="FilesNotKept">What was left out of them.</param>
/// <param name="Parts">What it consists of on the gateway's disk.</param>
public sealed record SnapshotManifest(
    SnapshotInfo Snapshot,
    IReadOnlyList<SnapshotContext> Contexts,
    IReadOnlyList<SnapshotFile> Files,
    IReadOnlyList<NotKept> FilesNotKept,
    IReadOnlyList<SnapshotPart> Parts);

/// <summary>A context in a snapshot.</summary>
/// <param name="Id">Its id, which it has again in a sandbox made from the snapshot.</param>
/// <param name="Name">Its name for people.</param>
/// <param name="Kernel">The kernelspec's name.</param>
/// <param name="Language">The language.</param>
/// <param name="Cwd">The folder it was made with.</param>
/// <param name="Reason">Why none of its variables was kept; <c>null</c> when that was tried.</param>
/// <param name="Variables">What was kept, by name.</param>
/// <param name="NotKept">What was not.</param>
public sealed record SnapshotContext(
    string Id,
    string? Name,
    string Kernel,
    string Language,
    string? Cwd,
    string? Reason,
    IReadOnlyList<SnapshotVariable> Variables,
    IReadOnlyList<NotKept> NotKept);

/// <summary>A variable in a snapshot. All of this is what its kernel said.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">Its class, with the module unless that is built in.</param>
/// <param name="Size">Bytes it takes; what several variables share counts for the first of them by name.</param>
/// <param name="Digest">Another one when the value differs.</param>
public sealed record SnapshotVariable(string Name, string Type, long Size, string Digest);

/// <summary>A file, folder or link in a snapshot.</summary>
/// <param name="Path">Its path; what was in the working folder is below <c>/workspace</c> in all variants.</param>
/// <param name="Type">What it is.</param>
/// <param name="Size">Bytes of a file.</param>
/// <param name="ModifiedAt">When its content last changed.</param>
/// <param name="Mode">The permission bits, octal.</param>
/// <param name="Sha256">Of a file's content, hexadecimal.</param>
/// <param name="Target">Where a link points to.</param>
public sealed record SnapshotFile(string Path, FileType Type, long Size, DateTimeOffset ModifiedAt, string Mode, string? Sha256 = null, string? Target = null);

/// <summary>What is not in a snapshot.</summary>
/// <param name="Name">The variable's name or the file's path.</param>
/// <param name="Type">Its class, or the type of file.</param>
/// <param name="Reason">Why.</param>
public sealed record NotKept(string Name, string Type, string Reason);

/// <summary>One file of a snapshot on the gateway's disk.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Size">Bytes.</param>
/// <param name="Sha256">Of its content, hexadecimal.</param>
public sealed record SnapshotPart(string Name, long Size, string Sha256);

/// <summary>What a second snapshot has otherwise than a first.</summary>
/// <param name="Files">Paths of files, folders and links.</param>
/// <param name="Contexts">The variables of each context that is in either.</param>
public sealed record SnapshotComparison(Differences Files, IReadOnlyList<ContextDifferences> Contexts);

/// <summary>The differences in one context.</summary>
/// <param name="ContextId">The context.</param>
/// <param name="Variables">Names of variables.</param>
public sealed record ContextDifferences(string ContextId, Differences Variables);

/// <summary>What came, went and changed, each in order.</summary>
/// <param name="Added">Only in the second.</param>
/// <param name="Removed">Only in the first.</param>
/// <param name="Changed">In both, and not the same.</param>
public sealed record Differences(IReadOnlyList<string> Added, IReadOnlyList<string> Removed, IReadOnlyList<string> Changed);
