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
        ErrorCode.CommandNotFound => (404, ErrorCodes.CommandNotFound, "Unknown command"),
        ErrorCode.ContextNotFound => (404, ErrorCodes.ContextNotFound, "Unknown context"),
        ErrorCode.VariableNotFound => (404, ErrorCodes.VariableNotFound, "Unknown variable"),
        ErrorCode.SnapshotNotFound => (404, ErrorCodes.SnapshotNotFound, "Unknown snapshot"),
        ErrorCode.SnapshotDamaged => (409, ErrorCodes.SnapshotDamaged, "The snapshot cannot be used"),
        ErrorCode.WebhookNotFound => (404, ErrorCodes.WebhookNotFound, "Unknown webhook"),
        ErrorCode.Conflict => (409, ErrorCodes.Conflict, "Not possible in the present state"),
        ErrorCode.LimitReached => (429, ErrorCodes.LimitReached, "A limit was reached"),
        ErrorCode.KernelFailed => (502, ErrorCodes.KernelFailed, "The kernel failed"),
        ErrorCode.HostNotReady => (503, ErrorCodes.HostNotReady, "The host is not ready"),
        ErrorCode.ShuttingDown => (503, ErrorCodes.ShuttingDown, "The gateway is stopping"),
        ErrorCode.StorageFull => (507, ErrorCodes.StorageFull, "The journal cannot be written"),
        ErrorCode.InvalidPath => (400, ErrorCodes.InvalidPath, "The path is not one of a file in the sandbox"),
        ErrorCode.FileNotFound => (404, ErrorCodes.FileNotFound, "No such file"),
        ErrorCode.NotARegularFile => (400, ErrorCodes.NotARegularFile, "Not an ordinary file"),
        ErrorCode.SymlinkNotFollowed => (400, ErrorCodes.SymlinkNotFollowed, "Links are not followed"),
        ErrorCode.IsADirectory => (400, ErrorCodes.IsADirectory, "It is a folder"),
        ErrorCode.NotADirectory => (400, ErrorCodes.NotADirectory, "It is not a folder"),
        ErrorCode.DirectoryNotEmpty => (409, ErrorCodes.DirectoryNotEmpty, "The folder is not empty"),
        ErrorCode.AlreadyExists => (409, ErrorCodes.AlreadyExists, "There is something of that name"),
        ErrorCode.FileChanged => (412, ErrorCodes.FileChanged, "The file has changed"),
        ErrorCode.RangeNotSatisfiable => (416, ErrorCodes.RangeNotSatisfiable, "Beyond the end of the file"),
        ErrorCode.PermissionDenied => (403, ErrorCodes.PermissionDenied, "The sandbox's user may not do this"),
        ErrorCode.TooLarge => (413, ErrorCodes.TooLarge, "Too large"),
        ErrorCode.DiskFull => (507, ErrorCodes.DiskFull, "The sandbox's disk is full"),
        _ => (500, "internal", "Internal error"),
    };
}
