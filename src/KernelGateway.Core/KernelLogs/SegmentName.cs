using System.Globalization;

namespace KernelGateway.Core.KernelLogs;

/// <summary>The names of segments: ten digits and <c>.seg</c>.</summary>
internal static class SegmentName
{
    private const int Digits = 10;
    private const string Extension = ".seg";

    public static string Of(long number) => number.ToString("D10", CultureInfo.InvariantCulture) + Extension;

    /// <summary>The number in a name, or 0 when it is no segment's name.</summary>
    public static long NumberOf(string name) =>
        name.Length == Digits + Extension.Length
        && name.EndsWith(Extension, StringComparison.Ordinal)
        && long.TryParse(name.AsSpan(0, Digits), NumberStyles.None, CultureInfo.InvariantCulture, out long number)
            ? number
            : 0;
}
