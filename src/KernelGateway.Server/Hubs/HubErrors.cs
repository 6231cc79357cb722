using KernelGateway.Core.Errors;
using KernelGateway.Server.Api;
using KernelGateway.Server.Security;
using Microsoft.AspNetCore.SignalR;

namespace KernelGateway.Server.Hubs;

/// <summary>Tells hub clients what went wrong as <c>code: sentence</c>, and closes connections whose key was revoked.</summary>
internal sealed class HubErrors(ApiKeys keys) : IHubFilter
{
    public async ValueTask<object?> InvokeMethodAsync(HubInvocationContext invocationContext, Func<HubInvocationContext, ValueTask<object?>> next)
    {
        if (invocationContext.Context.User?.FindFirst(ApiKeyHandler.KeyIdClaim)?.Value is not { } keyId || !keys.IsInForce(keyId))
        {
            invocationContext.Context.Abort();
            throw Error(new GatewayException(ErrorCode.Unauthenticated, "The API key was revoked."));
        }

        try
        {
            return await next(invocationContext);
        }
        catch (GatewayException e)
        {
            throw Error(e);
        }
    }

    private static HubException Error(GatewayException e) => new($"{Errors.Of(e.Code).Code}: {e.Message}");
}
