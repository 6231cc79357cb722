using KernelGateway.Core.Errors;

namespace KernelGateway.Server.Security;

/// <summary>Holds each caller to its limits, and ends what would go on for long when its key is revoked or the gateway stops; what it waits for goes on without it.</summary>
internal sealed class CallGuard(RequestDelegate next, ApiKeys keys, CallLimits limits, IHostApplicationLifetime lifetime)
{
    public async Task InvokeAsync(HttpContext context)
    {
        if (context.User.KeyId() is not { } keyId)
        {
            await next(context);
            return;
        }

        using var open = limits.Open(keyId);
        if (!open.IsAcquired)
        {
            throw TooMuch("This API key has as many requests and connections open as it may. Close some.");
        }

        if (!limits.MayCall(keyId))
        {
            throw TooMuch("This API key calls more often than it may. Wait a moment.");
        }

        if (context.Request.Path.StartsWithSegments("/hubs", StringComparison.OrdinalIgnoreCase))
        {
            await next(context); // Ends its connections itself.
            return;
        }

        var aborted = context.RequestAborted;
        var revoked = keys.Revoked(keyId);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(aborted, lifetime.ApplicationStopping, revoked);
        context.RequestAborted = ending.Token;
        try
        {
            await next(context);
        }
        catch (OperationCanceledException) when (revoked.IsCancellationRequested && !aborted.IsCancellationRequested)
        {
            throw new GatewayException(ErrorCode.Unauthenticated, "The API key was revoked.");
        }
        finally
        {
            context.RequestAborted = aborted;
        }
    }

    private static GatewayException TooMuch(string sentence) => new(ErrorCode.LimitReached, sentence);
}
