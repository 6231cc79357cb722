using KernelGateway.Core.Errors;
using KernelGateway.Server.Security;
using Microsoft.AspNetCore.Http.HttpResults;

namespace KernelGateway.Server.Api;

/// <summary>API keys; for admins.</summary>
internal static class KeyEndpoints
{
    /// <summary>Body of <c>POST /api/v1/keys</c>.</summary>
    /// <param name="Owner">Whose sandboxes the key reaches: 1 to 64 letters, digits, dots, dashes or underscores.</param>
    /// <param name="IsAdmin">Whether it may manage keys.</param>
    internal sealed record CreateKeyRequest(string Owner, bool IsAdmin = false);

    /// <summary>A key; <c>Key</c> is shown once, when it is made.</summary>
    internal sealed record KeyInfo(string Id, string Owner, bool IsAdmin, DateTimeOffset CreatedAt, string? Key = null);

    public static void MapKeys(this RouteGroupBuilder api)
    {
        var group = api.MapGroup("/keys").WithTags("Keys").RequireAuthorization(ApiKeyHandler.AdminPolicy);
        group.MapPost("", Create).WithName("CreateKey").WithSummary("Makes an API key and shows it, this once.").Produces<KeyInfo>(201);
        group.MapGet("", (ApiKeys keys) => keys.List().Select(k => new KeyInfo(k.Id, k.Owner, k.IsAdmin, k.CreatedAt)).ToList())
            .WithName("ListKeys").WithSummary("All keys, without the keys themselves.");
        group.MapDelete("/{id}", (string id, ApiKeys keys) => keys.Revoke(id) ? Results.NoContent() : Results.NotFound())
            .WithName("RevokeKey").WithSummary("Makes a key worthless at once.");
    }

    private static Created<KeyInfo> Create(CreateKeyRequest request, ApiKeys keys)
    {
        if (request.Owner is null || request.Owner.Length is 0 or > 64 || !request.Owner.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_'))
        {
            throw new GatewayException(ErrorCode.InvalidArgument, "'owner' must be 1 to 64 letters, digits, dots, dashes or underscores.", "owner");
        }

        var (record, key) = keys.Create(request.Owner, request.IsAdmin);
        return TypedResults.Created($"/api/v1/keys/{record.Id}", new KeyInfo(record.Id, record.Owner, record.IsAdmin, record.CreatedAt, key));
    }
}
