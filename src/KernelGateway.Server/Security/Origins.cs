using KernelGateway.Core.Errors;
using KernelGateway.Server.Configuration;
using Microsoft.Extensions.Options;

namespace KernelGateway.Server.Security;

/// <summary>Refuses what pages of other sites ask of the gateway, unless the configuration allows their origin.</summary>
/// <remarks>Browsers keep answers from foreign pages, but neither requests nor WebSockets; so the request itself is refused.</remarks>
internal sealed class Origins(RequestDelegate next, IOptions<ServerOptions> options)
{
    private readonly HashSet<string> _allowed = new(options.Value.AllowedOrigins, StringComparer.OrdinalIgnoreCase);

    public Task InvokeAsync(HttpContext context)
    {
        var origin = context.Request.Headers.Origin.ToString();
        return origin.Length == 0 || _allowed.Contains(origin) || IsOurs(origin, context.Request)
            ? next(context)
            : throw new GatewayException(ErrorCode.Forbidden, "Pages of this origin may not use the gateway. Gateway:AllowedOrigins lists those that may.", "Origin");
    }

    private static bool IsOurs(string origin, HttpRequest request) =>
        Uri.TryCreate(origin, UriKind.Absolute, out var uri) && string.Equals(uri.Authority, request.Host.Value, StringComparison.OrdinalIgnoreCase);
}
