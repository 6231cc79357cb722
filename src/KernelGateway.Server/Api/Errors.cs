using KernelGateway.Contracts.Errors;
using KernelGateway.Core.Errors;

namespace KernelGateway.Server.Api;

/// <summary>The one table from error codes to HTTP statuses and their spelling.</summary>
internal static class Errors
{
    public static (int Status, string Code, string Title) Of(ErrorCode code) => code switch
    {
        ErrorCode.InvalidArgument => (400, ErrorCodes.InvalidArgument, "A value in the request is not valid"),
        ErrorCode.EnvironmentNotFound => (400, ErrorCodes.EnvironmentNotFound, "Unknown environment"),
        ErrorCode.VariantNotFound => (400, ErrorCodes.VariantNotFound, "Unknown variant"),
        ErrorCode.NotSupported => (400, ErrorCodes.NotSupported, "Not supported here"),
        ErrorCode.Unauthenticated => (401, ErrorCodes.Unauthenticated, "An API key is needed"),
        ErrorCode.Forbidden => (403, ErrorCodes.Forbidden, "Not allowed for this API key"),
        ErrorCode.SandboxNotFound => (404, ErrorCodes.SandboxNotFound, "Unknown sandbox"),
        ErrorCode.ExecutionNotFound => (404, ErrorCodes.ExecutionNotFound, "Unknown execution"),
        ErrorCode.ContextNotFound => (404, ErrorCodes.ContextNotFound, "Unknown context"),
        ErrorCode.Conflict => (409, ErrorCodes.Conflict, "Not possible in the present state"),
        ErrorCode.LimitReached => (429, ErrorCodes.LimitReached, "A limit was reached"),
        ErrorCode.KernelFailed => (502, ErrorCodes.KernelFailed, "The kernel failed"),
        ErrorCode.HostNotReady => (503, ErrorCodes.HostNotReady, "The host is not ready"),
        ErrorCode.ShuttingDown => (503, ErrorCodes.ShuttingDown, "The gateway is stopping"),
        ErrorCode.StorageFull => (507, ErrorCodes.StorageFull, "The journal cannot be written"),
        _ => (500, "internal", "Internal error"),
    };
}
