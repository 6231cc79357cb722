using System.Text.Json;
using KernelGateway.Contracts.Files;
using KernelGateway.Core.Files;
using KernelGateway.Core.Sandboxes;
using Microsoft.AspNetCore.Http.Json;
using Microsoft.Extensions.Options;
using FileOptions = KernelGateway.Core.Files.FileOptions;

namespace KernelGateway.Server.Api;

/// <summary>Changes of files as they happen, as Server-Sent Events or as lines of JSON.</summary>
internal static class FileWatchEndpoint
{
    /// <summary>How often something is said when nothing happens, so that proxies keep the line open.</summary>
    private static readonly TimeSpan KeepAlive = TimeSpan.FromSeconds(15);

    public static void MapFileWatch(this RouteGroupBuilder group) =>
        group.MapGet("/watch", WatchAsync).WithName("WatchFiles")
            .WithSummary("Changes below a folder, from 'ready' on: Server-Sent Events, or lines of JSON with Accept: application/x-ndjson. Ends with the sandbox.")
            .Produces<FileChange>(200, "text/event-stream", "application/x-ndjson");

    private static async Task WatchAsync(
        string id, string? path, bool? recursive, SandboxRegistry registry, IOptions<FileOptions> options, IOptions<JsonOptions> json, TimeProvider time, HttpContext http)
    {
        var where = SandboxPath.Parse(path ?? ".");
        var (files, lease) = FileEndpoints.Open(id, registry, http);
        using (lease)
        {
            await using var changes = files.WatchAsync(where, recursive ?? true, options.Value.MaxWatchedFolders, http.RequestAborted).GetAsyncEnumerator(http.RequestAborted);

            // The first is there at once, or else the refusal, which needs a status.
            var more = await changes.MoveNextAsync();
            var lines = http.Request.Headers.Accept.Any(accept => accept?.Contains("application/x-ndjson", StringComparison.OrdinalIgnoreCase) == true);
            http.Response.ContentType = lines ? "application/x-ndjson" : "text/event-stream";
            http.Response.Headers.CacheControl = "no-store";
            try
            {
                while (more)
                {
                    await WriteAsync(http, changes.Current, json.Value.SerializerOptions, lines);
                    var next = changes.MoveNextAsync().AsTask();
                    if (!next.IsCompleted)
                    {
                        await http.Response.Body.FlushAsync(http.RequestAborted);
                    }

                    more = await NextAsync(next, http, lines, time);
                }
            }
            catch (OperationCanceledException)
            {
                // The reader has gone, or the gateway stops.
            }
        }
    }

    private static async Task<bool> NextAsync(Task<bool> next, HttpContext http, bool lines, TimeProvider time)
    {
        while (true)
        {
            try
            {
                return await next.WaitAsync(KeepAlive, time, CancellationToken.None);
            }
            catch (TimeoutException) when (!next.IsCompleted)
            {
                try
                {
                    await http.Response.WriteAsync(lines ? "\n" : ":\n\n", http.RequestAborted);
                }
                catch (OperationCanceledException)
                {
                    // What is under way ends by the same token, and must have ended before its enumerator is given up.
                    return await next;
                }
            }
        }
    }

    private static async Task WriteAsync(HttpContext http, FileChange change, JsonSerializerOptions json, bool lines)
    {
        if (!lines)
        {
            await http.Response.WriteAsync("event: file\ndata: ", http.RequestAborted);
        }

        await JsonSerializer.SerializeAsync(http.Response.Body, change, json, http.RequestAborted);
        await http.Response.WriteAsync(lines ? "\n" : "\n\n", http.RequestAborted);
    }
}
