using System.Buffers;
using System.Globalization;
using KernelGateway.Contracts.Files;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Files;
using KernelGateway.Core.Provisioning;
using KernelGateway.Core.Sandboxes;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Options;
using Microsoft.Net.Http.Headers;
using FileOptions = KernelGateway.Core.Files.FileOptions;

namespace KernelGateway.Server.Api;

/// <summary>What files contain: read whole or in part, written whole or in parts; always streamed.</summary>
internal static class FileContentEndpoints
{
    private const int BufferSize = 64 << 10;
    private const string Bytes = "application/octet-stream";

    public static void MapFileContents(this RouteGroupBuilder group)
    {
        group.MapMethods("/content", [HttpMethods.Get, HttpMethods.Head], ReadAsync).WithName("ReadFile")
            .WithSummary("A file's content. Range goes on after a cut; with If-Match only in the same version of the file.")
            .Produces(200, contentType: Bytes).Produces(206, contentType: Bytes);
        group.MapPut("/content", WriteAsync).WithName("WriteFile")
            .WithSummary("Writes a file from the request's body: completely or not at all. If-Match and If-None-Match: * are conditions; mode is octal.")
            .Accepts<Stream>(isOptional: true, "*/*").Produces<FileEntry>();
        group.MapPut("/uploads/{uploadId}", WritePartAsync).WithName("UploadPart")
            .WithSummary("Adds a part to an upload that can go on after a cut; with complete=true the file is there.")
            .Accepts<Stream>(isOptional: true, "*/*").Produces<UploadProgress>();
        group.MapGet("/uploads/{uploadId}", GetUploadAsync).WithName("GetUpload").WithSummary("How much of an upload has arrived.").Produces<UploadProgress>();
    }

    private static async Task ReadAsync(string id, string? path, SandboxRegistry registry, HttpContext http)
    {
        var (files, lease) = FileEndpoints.Open(id, registry, http);
        using (lease)
        {
            using var content = await files.OpenAsync(SandboxPath.Parse(path), http.RequestAborted);
            var entry = content.Entry;
            var tag = new EntityTagHeaderValue($"\"{entry.ETag}\"");
            var headers = http.Request.GetTypedHeaders();
            if (headers.IfMatch is { Count: > 0 } wanted && !wanted.Any(one => one.Tag == "*" || one.Compare(tag, useStrongComparison: true)))
            {
                throw new GatewayException(ErrorCode.FileChanged, "'If-Match' names another version of the file than there is now. Read it from its start.", "If-Match");
            }

            var (start, length) = RangeOf(headers, tag, entry.Size, http.Response);
            Describe(http.Response, entry, tag, start, length);
            if (!HttpMethods.IsHead(http.Request.Method))
            {
                await SendAsync(content, start, length, http);
            }
        }
    }

    private static async Task<IResult> WriteAsync(string id, string? path, bool? parents, string? mode, SandboxRegistry registry, IOptions<FileOptions> options, HttpContext http)
    {
        var how = HowOf(parents, mode, options.Value.MaxFileBytes, http);
        var where = SandboxPath.Parse(path);
        TakeLength(http, options.Value.MaxFileBytes);
        var (files, lease) = FileEndpoints.Open(id, registry, http);
        using (lease)
        {
            return TypedResults.Ok(await files.WriteAsync(where, http.Request.Body, how, http.RequestAborted));
        }
    }

    private static async Task<IResult> WritePartAsync(
        string id, string uploadId, string? path, long? offset, bool? complete, bool? parents, string? mode, SandboxRegistry registry, IOptions<FileOptions> options, HttpContext http)
    {
        if (offset is null or < 0)
        {
            throw new GatewayException(ErrorCode.InvalidArgument, "'offset' must say where in the file the part starts: 0 or more.", "offset");
        }

        var how = HowOf(parents, mode, options.Value.MaxFileBytes, http);
        var where = SandboxPath.Parse(path);
        TakeLength(http, options.Value.MaxFileBytes - offset.Value);
        var (files, lease) = FileEndpoints.Open(id, registry, http);
        using (lease)
        {
            return TypedResults.Ok(await files.WritePartAsync(where, new UploadPart(uploadId, offset.Value, complete ?? false), http.Request.Body, how, http.RequestAborted));
        }
    }

    private static async Task<IResult> GetUploadAsync(string id, string uploadId, string? path, SandboxRegistry registry, HttpContext http)
    {
        var (files, lease) = FileEndpoints.Open(id, registry, http);
        using (lease)
        {
            return TypedResults.Ok(await files.GetUploadAsync(SandboxPath.Parse(path), uploadId, http.RequestAborted));
        }
    }

    private static FileWrite HowOf(bool? parents, string? mode, long maxBytes, HttpContext http)
    {
        int? bits = null;
        if (mode is not null)
        {
            bits = mode.Length is >= 3 and <= 4 && mode.All(c => c is >= '0' and <= '7') && Convert.ToInt32(mode, 8) <= 0x1FF
                ? Convert.ToInt32(mode, 8)
                : throw new GatewayException(ErrorCode.InvalidArgument, "'mode' must be permission bits in octal, 000 to 777.", "mode");
        }

        var headers = http.Request.GetTypedHeaders();
        var match = headers.IfMatch is [var tag, ..] ? tag.Tag.ToString().Trim('"') : null;
        var absent = headers.IfNoneMatch is [var none, ..] && none.Tag == "*";
        return new FileWrite(maxBytes, parents ?? true, bits, match, absent);
    }

    /// <summary>Refuses at once what says itself that it is too large; the rest is counted as it comes, so the limit for other requests does not count here.</summary>
    private static void TakeLength(HttpContext http, long most)
    {
        if (http.Request.ContentLength > most)
        {
            throw new GatewayException(ErrorCode.TooLarge, $"The body may have at most {Math.Max(0, most)} bytes here, but has {http.Request.ContentLength}. Gateway:Files:MaxFileBytes is the limit of a file.");
        }

        if (http.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
        {
            limit.MaxRequestBodySize = null;
        }
    }

    private static (long Start, long Length) RangeOf(Microsoft.AspNetCore.Http.Headers.RequestHeaders headers, EntityTagHeaderValue tag, long size, HttpResponse response)
    {
        // Several ranges at once, or of another version: the whole file is always a right answer.
        if (headers.Range is not { Ranges.Count: 1 } range || range.Unit != "bytes" || headers.IfRange is { EntityTag: { } known } && !known.Compare(tag, useStrongComparison: true))
        {
            return (0, size);
        }

        var one = range.Ranges.First();
        var start = one.From ?? Math.Max(0, size - one.To!.Value);
        var end = one.From is null ? size - 1 : Math.Min(one.To ?? long.MaxValue, size - 1);
        if (start >= size)
        {
            // When the answer starts, for the handler of exceptions begins with empty headers.
            response.OnStarting(() =>
            {
                response.Headers.ContentRange = string.Create(CultureInfo.InvariantCulture, $"bytes */{size}");
                return Task.CompletedTask;
            });
            throw new GatewayException(ErrorCode.RangeNotSatisfiable, $"The range starts at {start}, but the file has {size} bytes.", "Range");
        }

        response.StatusCode = StatusCodes.Status206PartialContent;
        response.GetTypedHeaders().ContentRange = new ContentRangeHeaderValue(start, end, size);
        return (start, end - start + 1);
    }

    /// <summary>Says what it is, and that it is to be saved, not shown; every answer says already that a browser may not run it.</summary>
    private static void Describe(HttpResponse response, FileEntry entry, EntityTagHeaderValue tag, long start, long length)
    {
        response.ContentType = Bytes;
        response.ContentLength = length;
        var disposition = new ContentDispositionHeaderValue("attachment");
        disposition.SetHttpFileName(entry.Name);
        var headers = response.GetTypedHeaders();
        headers.ContentDisposition = disposition;
        headers.ETag = tag;
        headers.LastModified = entry.ModifiedAt;
        response.Headers.AcceptRanges = "bytes";
    }

    private static async Task SendAsync(IFileContent content, long start, long length, HttpContext http)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        try
        {
            for (var at = start; at < start + length;)
            {
                var read = await content.ReadAsync(at, buffer.AsMemory(0, (int)Math.Min(buffer.Length, start + length - at)), http.RequestAborted);
                if (read == 0)
                {
                    // Shorter than it was: the promised length cannot be kept, and the reader must not take this for the whole.
                    http.Abort();
                    return;
                }

                await http.Response.Body.WriteAsync(buffer.AsMemory(0, read), http.RequestAborted);
                at += read;
            }
        }
        catch (GatewayException) when (http.Response.HasStarted)
        {
            http.Abort();
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
