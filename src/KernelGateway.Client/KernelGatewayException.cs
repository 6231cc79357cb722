using KernelGateway.Contracts.Errors;

namespace KernelGateway.Client;

/// <summary>The gateway refused a call, or could not be reached. Errors of user code are never exceptions; see <see cref="CodeResult.Error"/>.</summary>
public sealed class KernelGatewayException : Exception
{
    /// <summary>Creates the exception.</summary>
    /// <param name="code">One of <see cref="ErrorCodes"/> or <see cref="ClientErrorCodes"/>.</param>
    /// <param name="message">A sentence fit to show.</param>
    /// <param name="status">The HTTP status, when there was an answer.</param>
    /// <param name="field">The field that was wrong, when one was.</param>
    /// <param name="innerException">What lies beneath.</param>
    public KernelGatewayException(string code, string message, int? status = null, string? field = null, Exception? innerException = null)
        : base(message, innerException)
    {
        Code = code;
        Status = status;
        Field = field;
    }

    /// <summary>The stable code: one of <see cref="ErrorCodes"/>, or of <see cref="ClientErrorCodes"/> when the gateway did not say it.</summary>
    public string Code { get; }

    /// <summary>The HTTP status; <c>null</c> when there was no answer.</summary>
    public int? Status { get; }

    /// <summary>The field of the request that was wrong; <c>null</c> when it was none in particular.</summary>
    public string? Field { get; }
}

/// <summary>Codes of <see cref="KernelGatewayException"/> that the SDK itself gives.</summary>
public static class ClientErrorCodes
{
    /// <summary>The gateway could not be reached for as long as the options allow.</summary>
    public const string Unreachable = "unreachable";

    /// <summary>The connection was cut after the request was sent, and it may not be repeated safely: look whether it took effect.</summary>
    public const string ConnectionLost = "connection_lost";

    /// <summary>An event number was left out: something is missing. Never bridged silently.</summary>
    public const string EventGap = "event_gap";

    /// <summary>The gateway was away and cannot tell whether the kernel ever received this run.</summary>
    public const string ExecutionUnknown = "execution_unknown";

    /// <summary>The answer was not one of a KernelGateway.</summary>
    public const string UnexpectedAnswer = "unexpected_answer";
}
