using System.Security.Claims;
using System.Text.Encodings.Web;
using KernelGateway.Core.Errors;
using KernelGateway.Server.Api;
using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.Options;

namespace KernelGateway.Server.Security;

/// <summary>Knows a caller by <c>Authorization: Bearer KEY</c>; on hubs also by <c>?access_token=</c>, for browsers cannot send headers there.</summary>
internal sealed class ApiKeyHandler(IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logger, UrlEncoder encoder, ApiKeys keys, CallLimits limits, IProblemDetailsService problems)
    : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    public new const string Scheme = "ApiKey";
    public const string AdminPolicy = "admin";
    public const string AdminRole = "admin";
    public const string KeyIdClaim = "key-id";
    private const int LongestKey = 256;

    private bool _guessedTooOften;

    protected override Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        if (PresentedKey() is not { Length: > 0 and <= LongestKey } key)
        {
            return Task.FromResult(AuthenticateResult.NoResult());
        }

        if (keys.Find(key) is not { } record)
        {
            _guessedTooOften = !limits.MayGuess(Context.Connection.RemoteIpAddress);
            return Task.FromResult(AuthenticateResult.Fail("The API key is not known."));
        }

        var identity = new ClaimsIdentity(
            [new Claim(ClaimTypes.Name, record.Owner), new Claim(KeyIdClaim, record.Id), .. record.IsAdmin ? new[] { new Claim(ClaimTypes.Role, AdminRole) } : []],
            Scheme);
        return Task.FromResult(AuthenticateResult.Success(new AuthenticationTicket(new ClaimsPrincipal(identity), Scheme)));
    }

    protected override Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        if (_guessedTooOften)
        {
            Response.Headers.RetryAfter = "60";
            return WriteAsync(ErrorCode.LimitReached, "Too many unknown API keys came from this address. Wait a minute, and use a known one.");
        }

        Response.Headers.WWWAuthenticate = "Bearer";
        return WriteAsync(ErrorCode.Unauthenticated, "Send 'Authorization: Bearer <API key>'. The first start of the gateway left an admin's key in the file admin.key of its data folder.");
    }

    protected override Task HandleForbiddenAsync(AuthenticationProperties properties) =>
        WriteAsync(ErrorCode.Forbidden, "This needs an admin's API key.");

    private string? PresentedKey()
    {
        var header = Request.Headers.Authorization.ToString();
        if (header.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase))
        {
            return header["Bearer ".Length..].Trim();
        }

        return Request.Path.StartsWithSegments("/hubs", StringComparison.Ordinal) ? Request.Query["access_token"].ToString() : null;
    }

    private async Task WriteAsync(ErrorCode code, string detail)
    {
        var problem = ProblemWriter.Describe(code, detail, null);
        Response.StatusCode = problem.Status!.Value;
        await problems.WriteAsync(new ProblemDetailsContext { HttpContext = Context, ProblemDetails = problem });
    }
}
