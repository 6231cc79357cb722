namespace KernelGateway.Contracts.Errors;

/// <summary>The stable values of <c>code</c> in problem details (RFC 9457) and of the first word of hub errors.</summary>
public static class ErrorCodes
{
    /// <summary>400: a value is missing, of the wrong type or out of range; <c>field</c> names it.</summary>
    public const string InvalidArgument = "invalid_argument";

    /// <summary>404: no such sandbox, or not yours.</summary>
    public const string SandboxNotFound = "sandbox_not_found";

    /// <summary>404: no such execution in this sandbox.</summary>
    public const string ExecutionNotFound = "execution_not_found";

    /// <summary>404: no such command in this sandbox.</summary>
    public const string CommandNotFound = "command_not_found";

    /// <summary>404: no such context in this sandbox.</summary>
    public const string ContextNotFound = "context_not_found";

    /// <summary>404: no variable of that name in this context.</summary>
    public const string VariableNotFound = "variable_not_found";

    /// <summary>404: no such snapshot, or not yours.</summary>
    public const string SnapshotNotFound = "snapshot_not_found";

    /// <summary>409: the snapshot is corrupt, or another gateway made it.</summary>
    public const string SnapshotDamaged = "snapshot_damaged";

    /// <summary>No webhook of that id, or it belongs to somebody else.</summary>
    public const string WebhookNotFound = "webhook_not_found";

    /// <summary>400: no environment of that name.</summary>
    public const string EnvironmentNotFound = "environment_not_found";

    /// <summary>400: no variant of that name.</summary>
    public const string VariantNotFound = "variant_not_found";

    /// <summary>400: this variant cannot do that, or configuration does not allow it.</summary>
    public const string NotSupported = "not_supported";

    /// <summary>409: not in this state.</summary>
    public const string Conflict = "conflict";

    /// <summary>429: a limit on number, size or rate was reached.</summary>
    public const string LimitReached = "limit_reached";

    /// <summary>401: no or unknown API key.</summary>
    public const string Unauthenticated = "unauthenticated";

    /// <summary>403: the key may not do this.</summary>
    public const string Forbidden = "forbidden";

    /// <summary>503: the host lacks something the variant needs.</summary>
    public const string HostNotReady = "host_not_ready";

    /// <summary>502: the kernel or its place could not be started, or went away during the call.</summary>
    public const string KernelFailed = "kernel_failed";

    /// <summary>507: the journal cannot be written.</summary>
    public const string StorageFull = "storage_full";

    /// <summary>503: the gateway is stopping.</summary>
    public const string ShuttingDown = "shutting_down";

    /// <summary>400: a path is malformed, leads upwards, or to where no files are.</summary>
    public const string InvalidPath = "invalid_path";

    /// <summary>404: no such file or folder.</summary>
    public const string FileNotFound = "file_not_found";

    /// <summary>400: a FIFO, socket or device.</summary>
    public const string NotARegularFile = "not_a_regular_file";

    /// <summary>400: a part of the path is a symbolic link.</summary>
    public const string SymlinkNotFollowed = "symlink_not_followed";

    /// <summary>400: a folder where a file is needed.</summary>
    public const string IsADirectory = "is_a_directory";

    /// <summary>400: not a folder, where one is needed.</summary>
    public const string NotADirectory = "not_a_directory";

    /// <summary>409: the folder is not empty.</summary>
    public const string DirectoryNotEmpty = "directory_not_empty";

    /// <summary>409: something of that name exists.</summary>
    public const string AlreadyExists = "already_exists";

    /// <summary>412: the file is not the version asked for.</summary>
    public const string FileChanged = "file_changed";

    /// <summary>416: the range starts behind the end of the file.</summary>
    public const string RangeNotSatisfiable = "range_not_satisfiable";

    /// <summary>403: the sandbox's own user may not do that.</summary>
    public const string PermissionDenied = "permission_denied";

    /// <summary>413: more than a limit on size or number allows.</summary>
    public const string TooLarge = "too_large";

    /// <summary>507: no room left on the sandbox's disk.</summary>
    public const string DiskFull = "disk_full";
}
