using KernelGateway.Contracts.Errors;
using Microsoft.AspNetCore.SignalR;

namespace KernelGateway.Client.Connections;

/// <summary>Reads "code: sentence" out of a hub error.</summary>
internal static class HubErrors
{
    // SignalR puts its own words before the message of a HubException.
    private const string Marker = "HubException: ";

    /// <summary>The gateway's answer, or <c>null</c> when the error has no code: then it was not the gateway's logic that spoke.</summary>
    public static KernelGatewayException? Read(HubException error)
    {
        var start = error.Message.IndexOf(Marker, StringComparison.Ordinal);
        var text = start < 0 ? error.Message : error.Message[(start + Marker.Length)..];
        var colon = text.IndexOf(": ", StringComparison.Ordinal);
        if (colon <= 0 || !text.AsSpan(0, colon).ContainsOnlyCodeCharacters())
        {
            return null;
        }

        var code = text[..colon];
        return new KernelGatewayException(code, text[(colon + 2)..], StatusOf(code), null, error);
    }

    private static bool ContainsOnlyCodeCharacters(this ReadOnlySpan<char> text)
    {
        foreach (var c in text)
        {
            if (!char.IsAsciiLetterLower(c) && c != '_')
            {
                return false;
            }
        }

        return true;
    }

    private static int? StatusOf(string code) => code switch
    {
        ErrorCodes.InvalidArgument or ErrorCodes.EnvironmentNotFound or ErrorCodes.VariantNotFound or ErrorCodes.NotSupported
            or ErrorCodes.InvalidPath or ErrorCodes.NotARegularFile or ErrorCodes.SymlinkNotFollowed or ErrorCodes.IsADirectory or ErrorCodes.NotADirectory => 400,
        ErrorCodes.Unauthenticated => 401,
        ErrorCodes.Forbidden or ErrorCodes.PermissionDenied => 403,
        ErrorCodes.SandboxNotFound or ErrorCodes.ExecutionNotFound or ErrorCodes.ContextNotFound or ErrorCodes.FileNotFound => 404,
        ErrorCodes.Conflict => 409,
        ErrorCodes.LimitReached => 429,
        ErrorCodes.KernelFailed => 502,
        ErrorCodes.HostNotReady or ErrorCodes.ShuttingDown => 503,
        ErrorCodes.StorageFull => 507,
        _ => null,
    };
}
