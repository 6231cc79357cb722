namespace KernelGateway.Provisioners.Containers;

/// <summary>One line of <c>/proc/PID/mountinfo</c> (proc_pid_mountinfo(5)).</summary>
internal sealed record MountEntry(
    string Root,
    string MountPoint,
    IReadOnlyList<string> Options,
    string FileSystem,
    string Source,
    IReadOnlyList<string> SuperOptions)
{
    internal static IEnumerable<MountEntry> ParseAll(string mountInfo)
    {
        foreach (var line in mountInfo.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            var fields = line.Split(' ');
            var separator = Array.IndexOf(fields, "-", 6);
            if (separator < 0 || fields.Length < separator + 4)
            {
                continue;
            }

            yield return new MountEntry(
                Unescape(fields[3]),
                Unescape(fields[4]),
                fields[5].Split(','),
                fields[separator + 1],
                Unescape(fields[separator + 2]),
                fields[separator + 3].Split(','));
        }
    }

    /// <summary>Blank, tab, newline and backslash stand as three octal digits.</summary>
    private static string Unescape(string text) => !text.Contains('\\', StringComparison.Ordinal)
        ? text
        : text.Replace("\\040", " ", StringComparison.Ordinal)
            .Replace("\\011", "\t", StringComparison.Ordinal)
            .Replace("\\012", "\n", StringComparison.Ordinal)
            .Replace("\\134", "\\", StringComparison.Ordinal);
}
