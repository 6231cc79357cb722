using System.Formats.Tar;
using KernelGateway.Contracts.Files;
using KernelGateway.Contracts.Snapshots;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Faults;
using KernelGateway.Core.Files;
using KernelGateway.Core.Provisioning;

namespace KernelGateway.Core.Snapshots;

/// <summary>Takes the files of a sandbox into a tar file, and brings them back. All of them go through the sandbox's own files: no link is followed, no permission gone around.</summary>
internal static class SnapshotFiles
{
    private const int Attempts = 3;

    // Later, the octal field of a tar file has no room.
    private static readonly DateTimeOffset LastTime = DateTimeOffset.FromUnixTimeSeconds(8_589_934_591);

    /// <summary>Keeps all files as they were at one moment.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.Conflict"/>: they are being changed all the time. <see cref="ErrorCode.TooLarge"/>: there is too much.</exception>
    public static async Task<(IReadOnlyList<SnapshotFile> Files, IReadOnlyList<NotKept> NotKept)> KeepAsync(
        ISandboxFiles files, IReadOnlyCollection<string> excluded, SnapshotDraft draft, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            var survey = await FileSurvey.TakeAsync(files, excluded, draft.Options.MaxFiles, cancellationToken);
            string? changed;
            try
            {
                var kept = new List<SnapshotFile>(survey.Entries.Count);
                draft.Forget(PartNames.Files);
                draft.Demand(survey.Entries.Where(e => e.Type == FileType.File).Sum(e => (decimal)e.Size) is var all && all > long.MaxValue ? long.MaxValue : (long)all, "all files together");
                await draft.WriteAsync(PartNames.Files, part => WriteAsync(files, survey, part, kept, cancellationToken), cancellationToken);
                changed = survey.DifferenceTo(await FileSurvey.TakeAsync(files, excluded, draft.Options.MaxFiles, cancellationToken));
                if (changed is null)
                {
                    return (kept, survey.NotKept);
                }
            }
            catch (FilesChangedException e)
            {
                changed = e.Path;
            }

            if (attempt == Attempts)
            {
                throw new GatewayException(
                    ErrorCode.Conflict,
                    $"Something in the sandbox keeps changing its files, for example {survey.InSnapshot(changed)}, so that they are never those of one moment. Stop commands and threads that write, and try again.");
            }
        }
    }

    /// <summary>Brings the files back.</summary>
    /// <returns>How many there were, and the folders without files for which the variant has no place.</returns>
    /// <exception cref="GatewayException">One cannot be made: the disk is full, or it is outside of the working folder and the variant has no such place.</exception>
    public static async Task<(int Count, IReadOnlyList<NotKept> Lost)> RestoreAsync(ISandboxFiles files, Stream part, CancellationToken cancellationToken)
    {
        var homeless = new List<NotKept>();
        await using var tar = new TarReader(part, leaveOpen: true);
        var folders = new Stack<(SandboxPath Path, int Mode, DateTimeOffset ModifiedAt)>();
        var count = 0;
        while (await tar.GetNextEntryAsync(copyData: false, cancellationToken) is { } entry)
        {
            var path = PathOf(entry.Name);
            if (!await TryRestoreAsync(files, path, entry, cancellationToken))
            {
                // Every sandbox with a system of its own has some, such as /home.
                if (entry.EntryType == TarEntryType.Directory)
                {
                    homeless.Add(new NotKept($"/{entry.Name.TrimEnd('/')}", "directory", "It is outside of the working folder, and this variant has no place for it."));
                    continue;
                }

                throw new GatewayException(ErrorCode.NotSupported, $"The snapshot has files outside of the working folder (/{entry.Name}), for which this variant has no place. Restore it in the variant it was made in.", "variant");
            }

            if (entry.EntryType == TarEntryType.Directory)
            {
                // Afterwards: a folder may be closed to its own user, and its time changes with what is put into it.
                folders.Push((path, (int)entry.Mode, entry.ModificationTime));
            }

            count++;
            Fault.At("snapshot.file_restored");
        }

        while (folders.TryPop(out var folder))
        {
            await files.SetAttributesAsync(folder.Path, folder.Mode, folder.ModifiedAt, cancellationToken);
        }

        return (count, homeless);
    }

    /// <returns>False when the variant has no place for it.</returns>
    private static async Task<bool> TryRestoreAsync(ISandboxFiles files, SandboxPath path, TarEntry entry, CancellationToken cancellationToken)
    {
        if (path.IsAbsolute && !files.OwnsTop)
        {
            return false;
        }

        try
        {
            await RestoreAsync(files, path, entry, cancellationToken);
            return true;
        }
        catch (GatewayException e) when (e.Code == ErrorCode.InvalidPath)
        {
            return false;
        }
    }

    private static async Task RestoreAsync(ISandboxFiles files, SandboxPath path, TarEntry entry, CancellationToken cancellationToken)
    {
        switch (entry.EntryType)
        {
            case TarEntryType.Directory:
                await files.MakeFolderAsync(path, parents: true, cancellationToken);
                return;
            case TarEntryType.SymbolicLink:
                try
                {
                    await files.MakeLinkAsync(path, entry.LinkName, cancellationToken);
                }
                catch (GatewayException e) when (e.Code == ErrorCode.AlreadyExists)
                {
                    await files.RemoveAsync(path, recursive: true, cancellationToken);
                    await files.MakeLinkAsync(path, entry.LinkName, cancellationToken);
                }

                break;
            default:
                await files.WriteAsync(path, entry.DataStream ?? Stream.Null, new FileWrite(entry.Length, Mode: (int)entry.Mode), cancellationToken);
                break;
        }

        await files.SetAttributesAsync(path, null, entry.ModificationTime, cancellationToken);
    }

    private static async Task WriteAsync(ISandboxFiles files, FileSurvey survey, Stream part, List<SnapshotFile> kept, CancellationToken cancellationToken)
    {
        await using var tar = new TarWriter(part, TarEntryFormat.Pax, leaveOpen: true);
        foreach (var entry in survey.Entries)
        {
            var name = survey.InSnapshot(entry.Path);
            var file = new SnapshotFile(name, entry.Type, entry.Type == FileType.File ? entry.Size : 0, entry.ModifiedAt, entry.Mode, Target: entry.Target);
            switch (entry.Type)
            {
                case FileType.Directory:
                    await tar.WriteEntryAsync(EntryOf(TarEntryType.Directory, file), cancellationToken);
                    kept.Add(file);
                    break;
                case FileType.Symlink when string.IsNullOrEmpty(entry.Target):
                    throw new FilesChangedException(entry.Path);
                case FileType.Symlink:
                    var link = EntryOf(TarEntryType.SymbolicLink, file);
                    link.LinkName = entry.Target;
                    await tar.WriteEntryAsync(link, cancellationToken);
                    kept.Add(file);
                    break;
                default:
                    if (await WriteFileAsync(files, entry, file, tar, survey, cancellationToken) is { } digest)
                    {
                        kept.Add(file with { Sha256 = digest });
                    }

                    break;
            }
        }
    }

    /// <returns>The digest; <c>null</c> when the sandbox's own user may not read it.</returns>
    private static async Task<string?> WriteFileAsync(ISandboxFiles files, FileEntry entry, SnapshotFile file, TarWriter tar, FileSurvey survey, CancellationToken cancellationToken)
    {
        IFileContent content;
        try
        {
            content = await files.OpenAsync(SandboxPath.Parse(entry.Path), cancellationToken);
        }
        catch (GatewayException e) when (e.Code == ErrorCode.PermissionDenied)
        {
            survey.NotKept.Add(new NotKept(file.Path, "file", "its permissions keep the sandbox's own user from reading it"));
            return null;
        }
        catch (GatewayException e) when (e.Code is ErrorCode.FileNotFound or ErrorCode.NotARegularFile or ErrorCode.SymlinkNotFollowed or ErrorCode.NotADirectory or ErrorCode.IsADirectory)
        {
            throw new FilesChangedException(entry.Path);
        }

        await using var stream = new FileContentStream(content);
        if (content.Entry.ETag != entry.ETag)
        {
            throw new FilesChangedException(entry.Path);
        }

        var written = EntryOf(TarEntryType.RegularFile, file);
        written.DataStream = stream;
        await tar.WriteEntryAsync(written, cancellationToken);
        return stream.Sha256;
    }

    private static PaxTarEntry EntryOf(TarEntryType type, SnapshotFile file) => new(type, file.Path.TrimStart('/'))
    {
        Mode = (UnixFileMode)Convert.ToInt32(file.Mode, 8),
        ModificationTime = file.ModifiedAt > LastTime ? LastTime : file.ModifiedAt,
    };

    private static SandboxPath PathOf(string name)
    {
        var path = "/" + name.TrimEnd('/');
        return SandboxPath.Parse(path.StartsWith(FileSurvey.Workspace + "/", StringComparison.Ordinal) ? "./" + path[(FileSurvey.Workspace.Length + 1)..] : path);
    }
}
