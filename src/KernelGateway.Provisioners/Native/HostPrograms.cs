using System.Diagnostics.CodeAnalysis;

namespace KernelGateway.Provisioners.Native;

/// <summary>Finds programs of the host.</summary>
internal static class HostPrograms
{
    /// <summary>The absolute path of a program; a bare name is looked for where administrators' programs are, too.</summary>
    internal static bool TryFind(string name, [NotNullWhen(true)] out string? path)
    {
        string[] folders = name.Contains('/', StringComparison.Ordinal)
            ? [""]
            : [.. (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries), "/usr/local/sbin", "/usr/sbin", "/sbin"];
        path = folders.Select(folder => Path.GetFullPath(Path.Combine(folder, name))).FirstOrDefault(File.Exists);
        return path is not null;
    }
}
