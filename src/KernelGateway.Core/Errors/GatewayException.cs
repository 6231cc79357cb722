namespace KernelGateway.Core.Errors;

/// <summary>The one exception of the gateway: a code that every edge maps once, and a message fit to show to the caller.</summary>
public sealed class GatewayException(ErrorCode code, string message, string? field = null, Exception? inner = null)
    : Exception(message, inner)
{
    /// <summary>What kind of failure this is.</summary>
    public ErrorCode Code { get; } = code;

    /// <summary>The request field the failure is about, in the spelling of the API; <c>null</c> when it is about none.</summary>
    public string? Field { get; } = field;

    /// <summary>Every field that is wrong and what is, when there are several; otherwise <c>null</c>.</summary>
    public IReadOnlyDictionary<string, string[]>? Fields { get; init; }
}
