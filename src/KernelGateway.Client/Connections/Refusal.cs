using System.Net;
using KernelGateway.Contracts.Errors;

namespace KernelGateway.Client.Connections;

/// <summary>Tells an upgrade that was refused for good from one that is worth another try.</summary>
internal static class Refusal
{
    public static KernelGatewayException? Of(HttpStatusCode status, Uri address, Exception cause) => status switch
    {
        HttpStatusCode.Unauthorized => new(ErrorCodes.Unauthenticated, "The gateway does not know this API key, or none was given.", 401, null, cause),
        HttpStatusCode.Forbidden => new(ErrorCodes.Forbidden, "The API key may not read events.", 403, null, cause),
        HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests => null,
        >= HttpStatusCode.OK and < HttpStatusCode.InternalServerError =>
            new(ClientErrorCodes.UnexpectedAnswer, $"{address} answered {(int)status}: no gateway is there, or something before it does not pass WebSockets on.", (int)status, null, cause),
        _ => null,
    };
}
