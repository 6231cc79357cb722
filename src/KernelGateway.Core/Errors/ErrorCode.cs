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

    /// <summary>No command of that id in this sandbox, or it is too old to be remembered.</summary>
    CommandNotFound,

    /// <summary>No context of that id in this sandbox.</summary>
    ContextNotFound,

    /// <summary>No variable of that name in this context.</summary>
    VariableNotFound,

    /// <summary>No snapshot of that id or name, or it belongs to somebody else.</summary>
    SnapshotNotFound,

    /// <summary>The snapshot is corrupt, or another gateway made it.</summary>
    SnapshotDamaged,

    /// <summary>No webhook of that id, or it belongs to somebody else.</summary>
    WebhookNotFound,

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

    /// <summary>The path cannot be one of the sandbox: it is malformed, leads upwards, or to where no files are.</summary>
    InvalidPath,

    /// <summary>No file or folder of that path in the sandbox.</summary>
    FileNotFound,

    /// <summary>A FIFO, socket or device, where an ordinary file is needed.</summary>
    NotARegularFile,

    /// <summary>A part of the path is a symbolic link.</summary>
    SymlinkNotFollowed,

    /// <summary>A folder, where a file is needed.</summary>
    IsADirectory,

    /// <summary>A part of the path, or what should be a folder, is none.</summary>
    NotADirectory,

    /// <summary>A folder with something in it, removed without asking for that.</summary>
    DirectoryNotEmpty,

    /// <summary>Something is there already, and overwriting was not asked for.</summary>
    AlreadyExists,

    /// <summary>The file is not the version that was asked for.</summary>
    FileChanged,

    /// <summary>The range starts behind the end of the file.</summary>
    RangeNotSatisfiable,

    /// <summary>The file's permissions keep the sandbox's own user from it.</summary>
    PermissionDenied,

    /// <summary>More than a limit on size or number allows.</summary>
    TooLarge,

    /// <summary>No room, or no more files allowed, on the sandbox's disk.</summary>
    DiskFull,
}
