using System.Buffers.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using KernelGateway.Contracts.Files;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Files;
using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Files;

namespace KernelGateway.Provisioners.Remote;

/// <summary>The files of a Jupyter server's machine below one folder, through a utility kernel.</summary>
/// <remarks>
/// What <see cref="ISandboxFiles"/> demands holds, with these differences. The user's code can take the utility kernel over, and has the
/// rights of its user anyway: that no link is followed protects from accidents and races, not from that user. A file that is being read
/// or written is lost when that kernel ends; the call fails then, and an unfinished file may stay, named <c>.kg-upload-…</c>. What is read
/// one piece after the other is read ahead by up to 1 MiB. Where a file system cannot rename without replacing, "only if absent" is asked
/// for right before. Changes that are watched are told as the system tells them; on network file systems it does not tell those of others.
/// </remarks>
internal sealed partial class RemoteFiles : ISandboxFiles
{
    private const int MaxPage = 100_000;

    private static readonly string[] NoFiles = ["proc", "sys", "dev"];

    private readonly RemoteKernel _kernel;
    private readonly PlacePaths _paths;
    private readonly RemoteFileAnswers _answers;
    private readonly TimeProvider _time;

    internal RemoteFiles(RemotePlace place, RemoteKernel kernel, TimeProvider time)
    {
        _kernel = kernel;
        _time = time;
        _paths = place.IsWholeMachine ? new PlacePaths("/", place.Folder, NoFiles) : new PlacePaths(place.Folder, "/", []);
        _answers = new RemoteFileAnswers(_paths);
    }

    public bool OwnsTop => false;

    public async Task<FileEntry> StatAsync(SandboxPath path, CancellationToken cancellationToken)
    {
        var names = _paths.Locate(path, "path");
        return _answers.Entry(await AskAsync("stat", new JsonObject { ["path"] = Names(names) }, cancellationToken), names);
    }

    public async Task<FileEntry> MakeFolderAsync(SandboxPath path, bool parents, CancellationToken cancellationToken)
    {
        var names = _paths.Locate(path, "path");
        return _answers.Entry(await AskAsync("mkdir", new JsonObject { ["path"] = Names(names), ["parents"] = parents }, cancellationToken), names);
    }

    public async Task<IFileContent> OpenAsync(SandboxPath path, CancellationToken cancellationToken)
    {
        var names = _paths.Locate(path, "path");
        var connection = await _kernel.ConnectedAsync(cancellationToken);

        // Not to be cut: what it has opened would stay open.
        var opening = OpenAsync();
        try
        {
            return await opening.WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            _ = DisposeAsync();
            throw;
        }

        async Task<IFileContent> OpenAsync()
        {
            var opened = await AskAsync("open", new JsonObject { ["path"] = Names(names) }, CancellationToken.None, connection);
            return new RemoteFileContent(this, connection, opened.Field("handle").Number(), _answers.Entry(opened, names));
        }

        async Task DisposeAsync()
        {
            try
            {
                (await opening).Dispose();
            }
            catch (GatewayException)
            {
                // It was not opened.
            }
        }
    }

    public async Task<FileList> ListAsync(SandboxPath path, FileListing how, CancellationToken cancellationToken)
    {
        var names = _paths.Locate(path, "path");
        var request = new JsonObject
        {
            ["path"] = Names(names),
            ["depth"] = how.Depth,
            ["limit"] = how.Limit,
            ["after"] = Names(how.Cursor is null ? [] : FolderListing.ReadCursor(how.Cursor, how.Depth)),
        };
        var page = await AskAsync("list", request, cancellationToken);
        var items = page.Field("items").List(Math.Min(how.Limit, MaxPage));
        var entries = new List<FileEntry>(items.Count);
        byte[][] last = [];
        foreach (var item in items)
        {
            var pair = item.List(2);
            last = RemoteFileAnswers.NamesIn(pair.Count == 2 ? pair[0] : throw RemoteAnswer.Malformed());
            entries.Add(RemoteFileAnswers.Status(pair[1]).Describe(_paths.Show(names.Concat(last))));
        }

        return new FileList(entries, page.Field("full").Flag() && last.Length > 0 ? Base64Url.EncodeToString(FolderListing.Cursor(last)) : null);
    }

    public async Task RemoveAsync(SandboxPath path, bool recursive, CancellationToken cancellationToken) =>
        await AskAsync("remove", new JsonObject { ["path"] = Names(_paths.LocateToTakeAway(path, "path")), ["recursive"] = recursive }, cancellationToken);

    public async Task<FileEntry> CopyAsync(SandboxPath from, SandboxPath to, bool overwrite, CancellationToken cancellationToken) =>
        await TransferAsync("copy", _paths.Locate(from, "from"), to, overwrite, cancellationToken);

    public async Task<FileEntry> MoveAsync(SandboxPath from, SandboxPath to, bool overwrite, CancellationToken cancellationToken) =>
        await TransferAsync("move", _paths.LocateToTakeAway(from, "from"), to, overwrite, cancellationToken);

    public async Task MakeLinkAsync(SandboxPath path, string target, CancellationToken cancellationToken) =>
        await AskAsync("link", new JsonObject { ["path"] = Names(_paths.Locate(path, "path")), ["target"] = Text(SandboxPath.TargetOf(target)) }, cancellationToken);

    public async Task SetAttributesAsync(SandboxPath path, int? mode, DateTimeOffset modifiedAt, CancellationToken cancellationToken)
    {
        var nanoseconds = (modifiedAt.UtcTicks - DateTimeOffset.UnixEpoch.Ticks) * (Int128)TimeSpan.NanosecondsPerTick;
        var modified = (long)Int128.Clamp(nanoseconds, long.MinValue, long.MaxValue);
        await AskAsync("attributes", new JsonObject { ["path"] = Names(_paths.Locate(path, "path")), ["mode"] = mode, ["modified"] = modified }, cancellationToken);
    }

    /// <summary>Gives up what was opened, without waiting for it.</summary>
    internal void Close(RemoteConnection connection, long handle, bool discard)
    {
        _ = CloseAsync();

        async Task CloseAsync()
        {
            try
            {
                await _kernel.CallAsync("close", new JsonObject { ["handle"] = handle, ["discard"] = discard }, CancellationToken.None, connection);
            }
            catch (GatewayException)
            {
                // It has ended with its kernel.
            }
        }
    }

    /// <summary>The value of a call that was done.</summary>
    /// <exception cref="GatewayException">What is in the way.</exception>
    internal async Task<JsonElement> AskAsync(string operation, JsonObject request, CancellationToken cancellationToken, RemoteConnection? on = null) =>
        _answers.Demand(await _kernel.CallAsync(operation, request, cancellationToken, on));

    private async Task<FileEntry> TransferAsync(string operation, byte[][] source, SandboxPath to, bool overwrite, CancellationToken cancellationToken)
    {
        var target = _paths.Locate(to, "to");
        _answers.Refusals.DemandApart(source, target);
        var request = new JsonObject { ["from"] = Names(source), ["to"] = Names(target), ["overwrite"] = overwrite };
        return _answers.Entry(await AskAsync(operation, request, cancellationToken), target);
    }

    /// <summary>Names are bytes: each is a text of as many characters.</summary>
    private static JsonArray Names(byte[][] names) => [.. names.Select(name => (JsonNode)Text(name))];

    private static string Text(byte[] name) => System.Text.Encoding.Latin1.GetString(name);
}
