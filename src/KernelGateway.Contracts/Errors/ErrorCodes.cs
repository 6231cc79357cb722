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

    /// <summary>404: no such context in this sandbox.</summary>
    public const string ContextNotFound = "context_not_found";

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
}
