using KernelGateway.Contracts.Files;
using KernelGateway.Contracts.Snapshots;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Files;
using KernelGateway.Core.Provisioning;

namespace KernelGateway.Core.Snapshots;

/// <summary>
/// All files of a sandbox's user at one look. When a second look, after all of them were read, finds the same, then there was a moment,
/// between the two, at which all of them were so.
/// </summary>
internal sealed class FileSurvey
{
    /// <summary>The beginning of names of what the gateway itself keeps in a sandbox for a while.</summary>
    public const string OwnPrefix = ".kg-";

    /// <summary>What the working folder is called in snapshots, wherever it was.</summary>
    public const string Workspace = "/workspace";

    private const int MaxDepth = 200;
    private const int PageSize = 1000;

    // At the top of a sandbox that has a whole system: nothing in them is the user's to keep.
    private static readonly HashSet<string> SystemNames = new(StringComparer.Ordinal)
    {
        "bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "libx32", "lost+found", "media", "mnt", "opt", "proc", "root", "run", "sbin", "srv", "sys", "tmp", "usr", "var", ".dockerenv",
    };

    private readonly Dictionary<string, FileEntry> _byPath = new(StringComparer.Ordinal);
    private readonly List<FileEntry> _entries = [];
    private readonly string _work;

    private FileSurvey(string work) => _work = work;

    /// <summary>What was found; a folder before what is in it.</summary>
    public IReadOnlyList<FileEntry> Entries => _entries;

    /// <summary>What cannot be kept, and why.</summary>
    public List<NotKept> NotKept { get; } = [];

    /// <param name="files">The sandbox's files.</param>
    /// <param name="excluded">Paths that are not the sandbox's own: folders of the host.</param>
    /// <param name="most">Most entries.</param>
    /// <param name="cancellationToken">Ends the looking.</param>
    /// <exception cref="GatewayException"><see cref="ErrorCode.TooLarge"/>: there are more.</exception>
    public static async Task<FileSurvey> TakeAsync(ISandboxFiles files, IReadOnlyCollection<string> excluded, int most, CancellationToken cancellationToken)
    {
        var here = SandboxPath.Parse(".");
        var survey = new FileSurvey((await files.StatAsync(here, cancellationToken)).Path.TrimEnd('/'));
        var all = new FileListing(MaxDepth, PageSize, null);
        await survey.AddAsync(files, here, all, excluded, most, cancellationToken);
        foreach (var entry in await TopAsync(files, survey._work, cancellationToken))
        {
            if (SystemNames.Contains(entry.Name) || excluded.Contains(entry.Path))
            {
                continue;
            }

            survey.Add(await WholeAsync(files, entry, cancellationToken), most);
            if (entry.Type == FileType.Directory)
            {
                await survey.AddAsync(files, SandboxPath.Parse(entry.Path), all, excluded, most, cancellationToken);
            }
        }

        return survey;
    }

    /// <summary>The first path at which another look found something else; <c>null</c> when all is the same.</summary>
    public string? DifferenceTo(FileSurvey later) =>
        later._entries.Find(entry => !_byPath.TryGetValue(entry.Path, out var before) || !IsSame(before, entry))?.Path
        ?? _entries.Find(entry => !later._byPath.ContainsKey(entry.Path))?.Path;

    /// <summary>How a path is written in snapshots.</summary>
    public string InSnapshot(string path) => InSnapshot(path, _work);

    /// <summary>How a path is written in snapshots.</summary>
    /// <param name="path">As the sandbox has it.</param>
    /// <param name="work">The sandbox's working folder.</param>
    public static string InSnapshot(string path, string work) => Moved(path, work, Workspace);

    /// <summary>What a path in a snapshot is in a sandbox.</summary>
    /// <param name="path">As the snapshot has it.</param>
    /// <param name="work">The sandbox's working folder.</param>
    public static string InSandbox(string path, string work) => Moved(path, Workspace, work);

    private static string Moved(string path, string from, string to) =>
        path == from || path.StartsWith(from + "/", StringComparison.Ordinal) ? to + path[from.Length..] : path;

    /// <summary>What changes of a folder is in its entries; its own time changes when the gateway puts something there for a while.</summary>
    private static bool IsSame(FileEntry before, FileEntry after) => before.Type == after.Type && before.Mode == after.Mode && before.Target == after.Target
        && (before.Type == FileType.Directory || (before.ETag == after.ETag && before.ModifiedAt == after.ModifiedAt && before.Size == after.Size));

    private static async Task<IReadOnlyList<FileEntry>> TopAsync(ISandboxFiles files, string work, CancellationToken cancellationToken)
    {
        if (!files.OwnsTop)
        {
            return [];
        }

        try
        {
            var top = await files.ListAsync(SandboxPath.Parse("/"), new FileListing(1, PageSize, null), cancellationToken);
            return [.. top.Items.Where(entry => entry.Path != work && !work.StartsWith(entry.Path + "/", StringComparison.Ordinal))];
        }
        catch (GatewayException e) when (e.Code is ErrorCode.InvalidPath or ErrorCode.PermissionDenied)
        {
            return []; // There is nothing but the working folder.
        }
    }

    private static async Task<FileEntry> WholeAsync(ISandboxFiles files, FileEntry entry, CancellationToken cancellationToken) =>
        entry.Type == FileType.Symlink ? await files.StatAsync(SandboxPath.Parse(entry.Path), cancellationToken) : entry;

    private async Task AddAsync(ISandboxFiles files, SandboxPath folder, FileListing how, IReadOnlyCollection<string> excluded, int most, CancellationToken cancellationToken)
    {
        string? skipped = null;
        FileList page;
        do
        {
            page = await files.ListAsync(folder, how, cancellationToken);
            foreach (var entry in page.Items)
            {
                if (skipped is not null && entry.Path.StartsWith(skipped, StringComparison.Ordinal))
                {
                    continue;
                }

                if (entry.Name.StartsWith(OwnPrefix, StringComparison.Ordinal) || excluded.Contains(entry.Path))
                {
                    skipped = entry.Path + "/";
                    continue;
                }

                try
                {
                    Add(await WholeAsync(files, entry, cancellationToken), most);
                }
                catch (GatewayException e) when (e.Code == ErrorCode.FileNotFound)
                {
                    // A link that was just removed: the second look says whether that matters.
                }
            }

            how = how with { Cursor = page.NextCursor };
        }
        while (page.NextCursor is not null);
    }

    private void Add(FileEntry entry, int most)
    {
        if (entry.Type == FileType.Other)
        {
            Leave(entry, "a socket, FIFO or device");
            return;
        }

        if (!CanBeNamed(entry.Path))
        {
            Leave(entry, "its name cannot be written as a path");
            return;
        }

        if (entry.Type == FileType.Directory && (Convert.ToInt32(entry.Mode, 8) & 0x140) != 0x140)
        {
            Leave(entry, "its permissions keep the sandbox's own user from what is in it");
        }
        else if (entry.Type == FileType.Directory && entry.Path.Count(c => c == '/') > MaxDepth)
        {
            Leave(entry, "what is in it is nested too deeply");
        }

        if (_entries.Count >= most)
        {
            throw new GatewayException(ErrorCode.TooLarge, $"The sandbox has more than {most} files, folders and links. Remove some, or have Gateway:Snapshots:MaxFiles raised.");
        }

        _entries.Add(entry);
        _byPath[entry.Path] = entry;
    }

    /// <summary>Names that look like ways upwards, or like overlong forms of them, are refused wherever a path is taken.</summary>
    private static bool CanBeNamed(string path)
    {
        try
        {
            _ = SandboxPath.Parse(path);
            return true;
        }
        catch (GatewayException)
        {
            return false;
        }
    }

    private void Leave(FileEntry entry, string reason)
    {
        const int MostTold = 1000;
        if (NotKept.Count < MostTold)
        {
            NotKept.Add(new NotKept(InSnapshot(entry.Path), entry.Type.ToString().ToLowerInvariant(), reason));
        }
    }
}
