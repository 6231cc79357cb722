using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace KernelGateway.Core.Policies;

/// <summary>A path below a mounted folder, or a pattern of such: <c>*</c> and <c>?</c> within a name, <c>**</c> for any number of folders.</summary>
internal sealed class PathPattern
{
    private const int MaxLength = 512;

    private readonly string[] _names;

    private PathPattern(string[] names) => _names = names;

    /// <summary>True when it means one path only.</summary>
    internal bool IsLiteral => !_names.Any(name => name.AsSpan().ContainsAny('*', '?'));

    /// <summary>The path without slashes at its ends; <c>""</c> for the folder itself.</summary>
    internal string Path => string.Join('/', _names);

    internal static PathPattern Parse(string text) => TryParse(text, out var pattern, out var problem) ? pattern : throw new FormatException($"'{text}' {problem}.");

    internal static bool TryParse(string text, [NotNullWhen(true)] out PathPattern? pattern, [NotNullWhen(false)] out string? problem)
    {
        var names = text == "." ? [] : (text.StartsWith("./", StringComparison.Ordinal) ? text[2..] : text).TrimEnd('/').Split('/');
        problem = text.Length is 0 or > MaxLength ? $"has not 1 to {MaxLength} characters"
            : text.StartsWith('/') ? "is absolute; give a path below the source, for example secrets/"
            : text.Any(char.IsControl) || text.Contains(Rune.ReplacementChar.ToString(), StringComparison.Ordinal) ? "has characters that cannot be in it"
            : names.Any(name => name is "" or "." or "..") ? "has an empty part, '.' or '..'; give a plain path below the source, for example secrets/"
            : names.Any(name => name.Contains("**", StringComparison.Ordinal) && name != "**") ? "has '**' beside other characters; '**' stands alone, as in **/*.pem"
            : names.Count(name => name == "**") > 4 ? "has more than four '**'"
            : null;
        pattern = problem is null ? new PathPattern(names) : null;
        return pattern is not null;
    }

    internal bool Matches(string path) => Matches(_names, path.Split('/'));

    /// <summary>Whether a path is this literal one or lies below it.</summary>
    internal bool Contains(string path) => _names.Length == 0 || path == Path || path.StartsWith(Path + "/", StringComparison.Ordinal);

    private static bool Matches(ReadOnlySpan<string> pattern, ReadOnlySpan<string> names)
    {
        if (pattern.IsEmpty)
        {
            return names.IsEmpty;
        }

        if (pattern[0] == "**")
        {
            return Matches(pattern[1..], names) || (!names.IsEmpty && Matches(pattern, names[1..]));
        }

        return !names.IsEmpty && System.IO.Enumeration.FileSystemName.MatchesSimpleExpression(pattern[0].Replace("\\", "\\\\", StringComparison.Ordinal), names[0], ignoreCase: false)
            && Matches(pattern[1..], names[1..]);
    }
}
