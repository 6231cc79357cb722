namespace KernelGateway.Core.Errors;

/// <summary>Why the gateway could not do what it was asked. Each code has one HTTP status and one stable spelling at every edge.</summary>
public enum ErrorCode
{
    /// <summary>A value in the request is missing, of the wrong type or out of range.</summary>
    InvalidArgument,

    /// <summary>No sandbox of that id, or it belongs to somebody else.</summary>
    SandboxNotFound,

    /// <summary>No execution of that id in this sandbox, or it is too old to be remembered.</summary>
    ExecutionNotFound,

    /// <summary>No context of that id in this sandbox.</summary>
    ContextNotFound,

    /// <summary>No environment of that name.</summary>
    EnvironmentNotFound,

    /// <summary>No variant of that name.</summary>
    VariantNotFound,

    /// <summary>The variant exists but cannot do this, or configuration does not allow it.</summary>
    NotSupported,

    /// <summary>The sandbox or execution is in a state in which this cannot be done.</summary>
    Conflict,

    /// <summary>A limit on number, size or rate was reached.</summary>
    LimitReached,

    /// <summary>The caller did not say who it is, or the key is unknown.</summary>
    Unauthenticated,

    /// <summary>The caller is known but may not do this.</summary>
    Forbidden,

    /// <summary>The host lacks something that the variant needs; the message names it.</summary>
    HostNotReady,

    /// <summary>The kernel or its sandbox could not be started, or went away during the call.</summary>
    KernelFailed,

    /// <summary>The journal cannot be written (for example: the disk is full).</summary>
    StorageFull,

    /// <summary>The gateway is stopping.</summary>
    ShuttingDown,
}
