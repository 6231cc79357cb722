using System.Reflection;
using System.Text.Json;
using System.Text.RegularExpressions;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Errors;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Mvc;

namespace KernelGateway.Server.Api;

/// <summary>Writes every failure as problem details (RFC 9457) with a stable <c>code</c>; nothing of the inside is shown.</summary>
internal sealed partial class ProblemWriter(IProblemDetailsService problems, IHostApplicationLifetime lifetime, ILogger<ProblemWriter> logger) : IExceptionHandler
{
    public async ValueTask<bool> TryHandleAsync(HttpContext httpContext, Exception exception, CancellationToken cancellationToken)
    {
        if (exception is OperationCanceledException && httpContext.RequestAborted.IsCancellationRequested)
        {
            httpContext.Response.StatusCode = 499; // Nobody is there to read it; the log shows it.
            return true;
        }

        var problem = exception switch
        {
            OperationCanceledException when lifetime.ApplicationStopping.IsCancellationRequested => Describe(
                ErrorCode.ShuttingDown, "The gateway is stopping. What runs goes on; ask again in a moment.", null),
            GatewayException e => Describe(e.Code, e.Message, e.Field, e.Fields),
            BadHttpRequestException { StatusCode: 413 } e => Describe(413, "too_large", "The request is too large", e.Message),
            BadHttpRequestException { InnerException: JsonException json } => Describe(ErrorCode.InvalidArgument, Explain(json), FieldOf(json)),
            BadHttpRequestException { StatusCode: 415 } => Describe(415, "unsupported_media_type", "Send JSON", "The body must have Content-Type: application/json."),
            BadHttpRequestException e => Describe(ErrorCode.InvalidArgument, e.Message, null),
            _ => Unexpected(httpContext, exception),
        };
        httpContext.Response.StatusCode = problem.Status ?? 500;
        if (problem.Status is 429 or 503)
        {
            httpContext.Response.Headers.RetryAfter = "1";
        }

        return await problems.TryWriteAsync(new ProblemDetailsContext { HttpContext = httpContext, ProblemDetails = problem });
    }

    /// <summary>Gives a code to the problems that the framework itself writes: unknown routes, wrong methods and the like.</summary>
    internal static void Complete(ProblemDetailsContext context)
    {
        var problem = context.ProblemDetails;
        if (problem.Extensions.ContainsKey("code"))
        {
            return;
        }

        var (code, detail) = problem.Status switch
        {
            404 => ("not_found", "There is nothing at this path. GET /openapi/v1.json lists what there is."),
            405 => ("method_not_allowed", "This path does not know the method. The header Allow lists those it knows."),
            413 => ("too_large", "The request is too large."),
            415 => ("unsupported_media_type", "The body must have Content-Type: application/json."),
            _ => ("http_error", problem.Detail ?? problem.Title ?? ""),
        };
        problem.Detail = detail;
        problem.Type = $"urn:kernel-gateway:error:{code}";
        problem.Extensions["code"] = code;
    }

    internal static ProblemDetails Describe(ErrorCode code, string detail, string? field, IReadOnlyDictionary<string, string[]>? fields = null)
    {
        var (status, spelling, title) = Errors.Of(code);
        var problem = Describe(status, spelling, title, detail);
        if (field is not null)
        {
            problem.Extensions["field"] = field;
        }

        if (fields is not null)
        {
            problem.Extensions["errors"] = fields;
        }

        return problem;
    }

    private static ProblemDetails Describe(int status, string code, string title, string detail) => new()
    {
        Status = status,
        Title = title,
        Detail = detail,
        Type = $"urn:kernel-gateway:error:{code}",
        Extensions = { ["code"] = code },
    };

    private ProblemDetails Unexpected(HttpContext context, Exception exception)
    {
        LogUnexpected(logger, exception, context.TraceIdentifier);
        return Describe(500, "internal", "Internal error", $"Something went wrong in the gateway; its log says what, under '{context.TraceIdentifier}'.");
    }

    private static string? FieldOf(JsonException e) =>
        e.Path is { Length: > 2 } path && path.StartsWith("$.", StringComparison.Ordinal) ? path[2..] : null;

    private static string Explain(JsonException e)
    {
        var field = FieldOf(e);
        if (UnknownField().Match(e.Message) is { Success: true } unknown)
        {
            return $"There is no field {unknown.Groups[1].Value} here.{KnownFields(unknown.Groups[2].Value)}";
        }

        var message = WrongType().Match(e.Message) is { Success: true } wrong ? $"it must be {Expected(wrong.Groups[1].Value)}." : e.Message.Split(" Path:", 2)[0];
        return field is null ? $"The body is not the JSON object expected: {message}" : $"'{field}' is not valid: {message}";
    }

    private static string KnownFields(string type) => typeof(NetworkPolicy).Assembly.GetType(type) is { } request
        ? $" Those that there are: {string.Join(", ", request.GetProperties(BindingFlags.Public | BindingFlags.Instance).Select(field => JsonNamingPolicy.CamelCase.ConvertName(field.Name)))}."
        : "";

    private static string Expected(string type) => type switch
    {
        _ when type.Contains(nameof(NetworkPolicy), StringComparison.Ordinal) => "none, allowlist or all",
        _ when type.Contains("Double", StringComparison.Ordinal) => "a number",
        _ when type.Contains("Int", StringComparison.Ordinal) => "a whole number",
        _ when type.Contains("Boolean", StringComparison.Ordinal) => "true or false",
        _ when type.Contains("Dictionary", StringComparison.Ordinal) => "an object of texts",
        _ when type.Contains("IReadOnlyList`1[System.String]", StringComparison.Ordinal) => "a list of texts",
        _ when type.EndsWith("String", StringComparison.Ordinal) => "a text",
        _ => "a JSON object",
    };

    [GeneratedRegex(@"^The JSON property ('.*') could not be mapped to any \.NET member contained in type '([A-Za-z0-9.+]+)'", RegexOptions.Singleline)]
    private static partial Regex UnknownField();

    [GeneratedRegex(@"could not be converted to (\S+?)\.(?: |$)")]
    private static partial Regex WrongType();

    [LoggerMessage(LogLevel.Error, "Unexpected failure in request {TraceId}")]
    private static partial void LogUnexpected(ILogger logger, Exception exception, string traceId);
}
