using System.Text.RegularExpressions;
using KernelGateway.Core.Errors;

namespace KernelGateway.Core.Packages;

/// <summary>Packages of a distribution: which names can be asked for, and the script that installs them.</summary>
internal static partial class SystemPackages
{
    private static readonly string[] Managers = ["apt-get", "dnf", "yum", "apk"];

    /// <summary>For <c>/bin/sh -c</c>: the package manager, or nothing for whichever there is; then the packages. As root, or by sudo where it asks for no password.</summary>
    internal const string Script = """
        fail() { echo "$1" >&2; exit 1; }
        manager=$1; shift
        if [ -z "$manager" ]; then
          for one in apt-get dnf yum apk; do
            if command -v "$one" >/dev/null; then manager=$one; break; fi
          done
          [ -n "$manager" ] || fail 'There is no apt-get, dnf, yum or apk here, so nothing can be installed.'
        fi
        command -v "$manager" >/dev/null || fail "There is no $manager here. Leave 'manager' out to use what there is."
        root=
        if [ "$(id -u)" != 0 ]; then
          sudo -n true 2>/dev/null || fail "Installing packages of the system needs root, but this runs as $(id -un), and sudo is missing or asks for a password."
          root='sudo -n'
        fi
        case $manager in
          apt-get)
            $root env DEBIAN_FRONTEND=noninteractive apt-get -q update
            exec $root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install "$@" ;;
          apk) exec $root apk add --no-progress "$@" ;;
          *) exec $root "$manager" -y install "$@" ;;
        esac
        """;

    /// <summary>The arguments of the script.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.InvalidArgument"/>: a name is none, or there are too many, or the package manager is unknown.</exception>
    internal static IReadOnlyList<string> Arguments(IReadOnlyList<string>? packages, string? manager, int most)
    {
        PackageNames.DemandSome(packages, most);
        foreach (var package in packages)
        {
            if (package is null || package.Length > PackageNames.MaxLength || !Package().IsMatch(package))
            {
                throw PackageNames.Invalid($"'packages' has '{PackageNames.Shown(package)}'. Give a name, perhaps with a version, such as \"curl\" or \"curl=7.88.1-10\"; no addresses, paths or options.");
            }
        }

        return manager is null || Managers.Contains(manager)
            ? [manager ?? "", .. packages]
            : throw new GatewayException(ErrorCode.InvalidArgument, $"'manager' must be one of {string.Join(", ", Managers)}, or left out.", "manager");
    }

    // What begins so is no option, and has neither a slash nor a blank.
    [GeneratedRegex(@"^[A-Za-z0-9][A-Za-z0-9+._-]*(:[a-z0-9-]+)?(=[A-Za-z0-9][A-Za-z0-9.+~:_-]*)?\z", RegexOptions.NonBacktracking)]
    private static partial Regex Package();
}
