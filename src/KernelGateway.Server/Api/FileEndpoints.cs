using KernelGateway.Contracts.Files;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Files;
using KernelGateway.Core.Provisioning;
using KernelGateway.Core.Sandboxes;
using KernelGateway.Server.Security;
using Microsoft.Extensions.Options;
using FileOptions = KernelGateway.Core.Files.FileOptions;

namespace KernelGateway.Server.Api;

/// <summary>Files of a sandbox; they never wait for running code. What a file contains is in <see cref="FileContentEndpoints"/>.</summary>
internal static class FileEndpoints
{
    private const int MaxPage = 1000;

    public static void MapFiles(this RouteGroupBuilder api)
    {
        var group = api.MapGroup("/sandboxes/{id}/files").WithTags("Files");
        group.MapGet("", ListAsync).WithName("ListFiles").WithSummary("A folder's content, ordered, page by page; with depth, that of the folders below it too. Links are shown, never followed.").Produces<FileList>();
        group.MapDelete("", RemoveAsync).WithName("RemoveFile").WithSummary("Removes a file, a link (not what it points to) or a folder; with recursive=true all that is in it.");
        group.MapGet("/stat", StatAsync).WithName("StatFile").WithSummary("One file or folder.").Produces<FileEntry>();
        group.MapPost("/mkdir", MakeFolderAsync).WithName("MakeFolder").WithSummary("Makes a folder, and those above it unless parents is false.").Produces<FileEntry>();
        group.MapPost("/copy", (string id, TransferRequest request, SandboxRegistry registry, HttpContext http) => TransferAsync(id, request, registry, http, copy: true))
            .WithName("CopyFile").WithSummary("Copies a file or a folder.").Produces<FileEntry>();
        group.MapPost("/move", (string id, TransferRequest request, SandboxRegistry registry, HttpContext http) => TransferAsync(id, request, registry, http, copy: false))
            .WithName("MoveFile").WithSummary("Gives a file or folder another path.").Produces<FileEntry>();
        group.MapPost("/batch", WriteManyAsync).WithName("WriteFiles").WithSummary("Writes many small files; each is there completely or not at all, and the first that fails ends it.").Produces<WrittenFiles>();
        group.MapFileContents();
        group.MapFileWatch();
    }

    /// <summary>The files of the caller's sandbox, in use until the lease is disposed.</summary>
    internal static (ISandboxFiles Files, IDisposable Lease) Open(string id, SandboxRegistry registry, HttpContext http)
    {
        var sandbox = registry.Get(id, http.Owner());
        return (sandbox.Files, sandbox.Lease());
    }

    private static async Task<IResult> ListAsync(
        string id, string? path, int? depth, int? limit, string? cursor, SandboxRegistry registry, IOptions<FileOptions> options, HttpContext http)
    {
        var how = new FileListing(InRange(depth ?? 1, options.Value.MaxDepth, "depth"), InRange(limit ?? MaxPage, MaxPage, "limit"), cursor);
        var where = SandboxPath.Parse(path ?? ".");
        var (files, lease) = Open(id, registry, http);
        using (lease)
        {
            return TypedResults.Ok(await files.ListAsync(where, how, http.RequestAborted));
        }
    }

    private static async Task<IResult> StatAsync(string id, string? path, SandboxRegistry registry, HttpContext http)
    {
        var (files, lease) = Open(id, registry, http);
        using (lease)
        {
            return TypedResults.Ok(await files.StatAsync(SandboxPath.Parse(path), http.RequestAborted));
        }
    }

    private static async Task<IResult> RemoveAsync(string id, string? path, bool? recursive, SandboxRegistry registry, HttpContext http)
    {
        var (files, lease) = Open(id, registry, http);
        using (lease)
        {
            await files.RemoveAsync(SandboxPath.Parse(path), recursive ?? false, http.RequestAborted);
            return TypedResults.NoContent();
        }
    }

    private static async Task<IResult> MakeFolderAsync(string id, MakeFolderRequest request, SandboxRegistry registry, HttpContext http)
    {
        var (files, lease) = Open(id, registry, http);
        using (lease)
        {
            return TypedResults.Ok(await files.MakeFolderAsync(SandboxPath.Parse(request.Path), request.Parents, http.RequestAborted));
        }
    }

    private static async Task<IResult> TransferAsync(string id, TransferRequest request, SandboxRegistry registry, HttpContext http, bool copy)
    {
        var (from, to) = (SandboxPath.Parse(request.From, "from"), SandboxPath.Parse(request.To, "to"));
        var (files, lease) = Open(id, registry, http);
        using (lease)
        {
            return TypedResults.Ok(await (copy
                ? files.CopyAsync(from, to, request.Overwrite, http.RequestAborted)
                : files.MoveAsync(from, to, request.Overwrite, http.RequestAborted)));
        }
    }

    private static async Task<IResult> WriteManyAsync(string id, WriteFilesRequest request, SandboxRegistry registry, IOptions<FileOptions> options, HttpContext http)
    {
        var wanted = request.Files ?? throw new GatewayException(ErrorCode.InvalidArgument, "'files' is missing.", "files");
        if (wanted.Count > options.Value.MaxBatchFiles)
        {
            throw new GatewayException(ErrorCode.TooLarge, $"'files' may have at most {options.Value.MaxBatchFiles} entries, but has {wanted.Count}. Send several batches.", "files");
        }

        // All of them are checked before the first is written.
        var checkedFiles = wanted.Select((file, index) => (Path: SandboxPath.Parse(file?.Path, $"files[{index}].path"), Content: ContentOf(file, index))).ToList();
        var (files, lease) = Open(id, registry, http);
        using (lease)
        {
            var written = new List<FileEntry>(checkedFiles.Count);
            foreach (var (path, content) in checkedFiles)
            {
                written.Add(await files.WriteAsync(path, new MemoryStream(content, writable: false), new FileWrite(options.Value.MaxFileBytes), http.RequestAborted));
            }

            return TypedResults.Ok(new WrittenFiles(written));
        }
    }

    private static byte[] ContentOf(FileToWrite? file, int index) => (file?.Text, file?.Base64) switch
    {
        ({ } text, null) => System.Text.Encoding.UTF8.GetBytes(text),
        (null, { } bytes) => bytes,
        _ => throw new GatewayException(ErrorCode.InvalidArgument, $"'files[{index}]' must have either 'text' or 'base64'.", $"files[{index}]"),
    };

    private static int InRange(int value, int most, string field) => value >= 1 && value <= most
        ? value
        : throw new GatewayException(ErrorCode.InvalidArgument, $"'{field}' must be between 1 and {most}, but is {value}.", field);
}
