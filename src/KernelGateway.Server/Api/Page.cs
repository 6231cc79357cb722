using System.Globalization;
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

    /// <summary>Where a page of a list that begins with the newest ended.</summary>
    public static string CursorOf(DateTimeOffset createdAt, string id) => string.Create(CultureInfo.InvariantCulture, $"{createdAt.UtcTicks}-{id}");

    /// <summary>Where the next page begins.</summary>
    public static (DateTimeOffset Time, string Id) ParseCursor(string cursor) =>
        cursor.Split('-', 2) is [var ticks, var id]
            && long.TryParse(ticks, NumberStyles.None, CultureInfo.InvariantCulture, out var time)
            && time <= DateTimeOffset.MaxValue.UtcTicks
                ? (new DateTimeOffset(time, TimeSpan.Zero), id)
                : throw new GatewayException(ErrorCode.InvalidArgument, "'cursor' must be the nextCursor of an earlier page.", "cursor");
}
