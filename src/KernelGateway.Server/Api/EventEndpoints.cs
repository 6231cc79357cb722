using System.Globalization;
using KernelGateway.Contracts.Events;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Sandboxes;
using KernelGateway.Server.Security;
using Microsoft.AspNetCore.Http.Json;
using Microsoft.Extensions.Options;

namespace KernelGateway.Server.Api;

/// <summary>The events after a number, as Server-Sent Events or as lines of JSON.</summary>
internal static class EventEndpoints
{
    public static void MapEvents(this RouteGroupBuilder api) =>
        api.MapGet("/sandboxes/{id}/events", StreamAsync)
            .WithTags("Events")
            .WithName("StreamEvents")
            .WithSummary("Events after a number: Server-Sent Events, or lines of JSON with Accept: application/x-ndjson. Last-Event-ID wins over after.")
            .Produces<SandboxEvent>(200, "text/event-stream", "application/x-ndjson");

    private static async Task StreamAsync(
        string id,
        long? after,
        bool? follow,
        string? executionId,
        string? commandId,
        SandboxRegistry registry,
        HttpContext http,
        IOptions<JsonOptions> json,
        TimeProvider time)
    {
        var sandbox = registry.Get(id, http.Owner());
        var number = LastEventId(http) ?? after ?? 0;
        CheckAfter(sandbox, number);
        if (executionId is not null)
        {
            _ = sandbox.GetExecution(executionId);
        }

        if (commandId is not null)
        {
            _ = sandbox.GetCommand(commandId);
        }

        var lines = http.Request.Headers.Accept.Any(a => a?.Contains("application/x-ndjson", StringComparison.OrdinalIgnoreCase) == true);
        http.Response.ContentType = lines ? "application/x-ndjson" : "text/event-stream";
        using var lease = sandbox.Lease();
        using var stream = new EventStream(http.Response.BodyWriter, json.Value.SerializerOptions, lines, time);
        var entries = sandbox.Journal.ReadAsync(number, follow ?? true, http.RequestAborted);
        try
        {
            await stream.WriteAsync(entries, executionId ?? commandId, http.RequestAborted);
        }
        catch (OperationCanceledException)
        {
            // The reader has gone or the gateway stops: either way the answer ends here, and can be resumed.
        }
    }

    /// <summary>Refuses a number that this sandbox has not given yet: it must come from another one.</summary>
    internal static void CheckAfter(Sandbox sandbox, long after)
    {
        var last = sandbox.Journal.LastSequence;
        if (after < 0 || after > last)
        {
            throw new GatewayException(ErrorCode.InvalidArgument, $"'after' must be between 0 and {last}, the number of this sandbox's last event, but is {after}. Was it another sandbox's?", "after");
        }
    }

    private static long? LastEventId(HttpContext http)
    {
        var header = http.Request.Headers["Last-Event-ID"].ToString();
        if (header.Length == 0)
        {
            return null;
        }

        return long.TryParse(header, NumberStyles.None, CultureInfo.InvariantCulture, out var id)
            ? id
            : throw new GatewayException(ErrorCode.InvalidArgument, "The header Last-Event-ID must be the number of an event.", "Last-Event-ID");
    }
}
