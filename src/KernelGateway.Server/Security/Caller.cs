using System.Security.Claims;

namespace KernelGateway.Server.Security;

/// <summary>Who calls, and what every request may carry.</summary>
internal static class Caller
{
    /// <summary>Whose sandboxes the caller reaches.</summary>
    public static string Owner(this HttpContext http) => http.User.Owner();

    /// <inheritdoc cref="Owner(HttpContext)"/>
    public static string Owner(this ClaimsPrincipal? user) =>
        user?.Identity?.Name ?? throw new InvalidOperationException("This route must require authorization.");

    /// <summary>The id of the caller's API key; null when there is none.</summary>
    public static string? KeyId(this ClaimsPrincipal? user) => user?.FindFirst(ApiKeyHandler.KeyIdClaim)?.Value;

    /// <summary>The header <c>Idempotency-Key</c>, if it was sent.</summary>
    public static string? IdempotencyKey(this HttpContext http) =>
        http.Request.Headers.TryGetValue("Idempotency-Key", out var key) ? key.ToString() : null;
}
