using KernelGateway.Core.Errors;

namespace KernelGateway.Server.Api;

/// <summary>How much of a list is asked for.</summary>
internal static class Page
{
    public static int Limit(int? limit) => limit switch
    {
        null => 50,
        >= 1 and <= 1000 => limit.Value,
        _ => throw new GatewayException(ErrorCode.InvalidArgument, $"'limit' must be between 1 and 1000, but is {limit}.", "limit"),
    };
}
