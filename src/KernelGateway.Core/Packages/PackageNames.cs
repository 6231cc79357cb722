using System.Diagnostics.CodeAnalysis;
using System.Text.RegularExpressions;
using KernelGateway.Core.Errors;

namespace KernelGateway.Core.Packages;

/// <summary>Reads what is asked to be installed: names, extras and versions of PEP 508. No addresses, paths, options or markers: what is not understood here never reaches pip.</summary>
internal static partial class PackageNames
{
    internal const int MaxLength = 200;

    public static bool IsName(string text) => text.Length <= MaxLength && Name().IsMatch(text);

    /// <summary>The spelling under which names are compared (PEP 503).</summary>
    public static string Normalize(string name) => Separators().Replace(name, "-").ToLowerInvariant();

    /// <summary>Checks a request against the packages that are allowed.</summary>
    /// <returns>The requirements, without blanks.</returns>
    /// <exception cref="GatewayException"><see cref="ErrorCode.InvalidArgument"/>: one is no requirement. <see cref="ErrorCode.Forbidden"/>: one is not allowed.</exception>
    public static IReadOnlyList<string> Check(IReadOnlyList<string>? packages, IReadOnlyCollection<string> allowed, int most)
    {
        DemandSome(packages, most);
        var names = allowed.Select(Normalize).ToHashSet(StringComparer.Ordinal);
        var requirements = new List<string>();
        foreach (var package in packages)
        {
            if (package is null || package.Length > MaxLength || Requirement().Match(package) is not { Success: true } match)
            {
                throw Invalid($"'packages' has '{Shown(package)}'. Give a name, perhaps with extras and versions, such as \"requests\", \"requests[socks]\" or \"requests>=2.0,<3\"; no addresses, paths or options.");
            }

            if (!names.Contains("*") && !names.Contains(Normalize(match.Groups["name"].Value)))
            {
                throw new GatewayException(
                    ErrorCode.Forbidden,
                    $"'{Shown(package)}' is not among the packages that can be installed here ({(names.Count == 0 ? "there are none" : string.Join(", ", names.Order(StringComparer.Ordinal).Take(50)))}). Only the operator can add it, with {PackageOptions.Section}:{nameof(PackageOptions.Allowed)} or 'packages' in environment.json.",
                    "packages");
            }

            requirements.Add(Blanks().Replace(package, ""));
        }

        return requirements;
    }

    /// <exception cref="GatewayException"><see cref="ErrorCode.InvalidArgument"/>: there are none, or too many.</exception>
    internal static void DemandSome([NotNull] IReadOnlyList<string>? packages, int most)
    {
        if (packages is null || packages.Count == 0 || packages.Count > most)
        {
            throw Invalid($"'packages' must name 1 to {most} packages, but names {packages?.Count ?? 0}.");
        }
    }

    internal static GatewayException Invalid(string message) => new(ErrorCode.InvalidArgument, message, "packages");

    internal static string Shown(string? text) => text is null ? "null" : text.Length > 64 ? text[..64] + "…" : text;

    [GeneratedRegex(@"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?\z")]
    private static partial Regex Name();

    [GeneratedRegex(@"^(?<name>[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?) *(\[ *[A-Za-z0-9._-]+( *, *[A-Za-z0-9._-]+)* *\])? *((===|==|!=|~=|<=|>=|<|>) *[A-Za-z0-9.*+!_-]+( *, *(===|==|!=|~=|<=|>=|<|>) *[A-Za-z0-9.*+!_-]+)*)? *\z", RegexOptions.NonBacktracking)]
    private static partial Regex Requirement();

    [GeneratedRegex("[-_.]+")]
    private static partial Regex Separators();

    [GeneratedRegex(" +")]
    private static partial Regex Blanks();
}
