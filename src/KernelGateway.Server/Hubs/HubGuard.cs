using KernelGateway.Core.Errors;
using KernelGateway.Server.Api;
using KernelGateway.Server.Security;
using Microsoft.AspNetCore.SignalR;

namespace KernelGateway.Server.Hubs;

/// <summary>Holds hub clients to the limits of their key, cuts them off when it is revoked, and tells them what went wrong as <c>code: sentence</c>.</summary>
internal sealed class HubGuard(ApiKeys keys, CallLimits limits) : IHubFilter
{
    private static readonly object Registration = new();

    public Task OnConnectedAsync(HubLifetimeContext context, Func<HubLifetimeContext, Task> next)
    {
        var revoked = keys.Revoked(KeyIdOf(context.Context));
        context.Context.Items[Registration] = revoked.UnsafeRegister(static connection => ((HubCallerContext)connection!).Abort(), context.Context);
        return next(context);
    }

    public Task OnDisconnectedAsync(HubLifetimeContext context, Exception? exception, Func<HubLifetimeContext, Exception?, Task> next)
    {
        if (context.Context.Items.Remove(Registration, out var registration))
        {
            ((CancellationTokenRegistration)registration!).Dispose();
        }

        return next(context, exception);
    }

    public async ValueTask<object?> InvokeMethodAsync(HubInvocationContext invocationContext, Func<HubInvocationContext, ValueTask<object?>> next)
    {
        if (!limits.MayCall(KeyIdOf(invocationContext.Context)))
        {
            throw Error(new GatewayException(ErrorCode.LimitReached, "This API key calls more often than it may. Wait a moment."));
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

    private static string KeyIdOf(HubCallerContext context) =>
        context.User.KeyId() ?? throw new InvalidOperationException("The hub must require authorization.");

    private static HubException Error(GatewayException e) => new($"{Errors.Of(e.Code).Code}: {e.Message}");
}
