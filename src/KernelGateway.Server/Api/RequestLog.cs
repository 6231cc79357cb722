using System.Diagnostics;

namespace KernelGateway.Server.Api;

/// <summary>One line per request: never a query (it may hold a token) and never a body.</summary>
internal sealed partial class RequestLog(RequestDelegate next, TimeProvider time, ILogger<RequestLog> logger)
{
    public async Task InvokeAsync(HttpContext context)
    {
        var start = time.GetTimestamp();
        try
        {
            await next(context);
        }
        finally
        {
            if (logger.IsEnabled(LogLevel.Information))
            {
                LogRequest(logger, context.Request.Method, Printable(context.Request.Path), context.Response.StatusCode, time.GetElapsedTime(start).TotalMilliseconds, Activity.Current?.TraceId.ToString());
            }
        }
    }

    /// <summary>The path with control characters escaped, so that no request can forge a log line.</summary>
    private static string Printable(PathString path) => path.ToUriComponent() is { Length: <= 512 } text ? text : path.ToUriComponent()[..512];

    [LoggerMessage(LogLevel.Information, "{Method} {Path} answered {Status} in {Milliseconds:0.0} ms ({TraceId})")]
    private static partial void LogRequest(ILogger logger, string method, string path, int status, double milliseconds, string? traceId);
}
