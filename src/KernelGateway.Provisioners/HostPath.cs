namespace KernelGateway.Provisioners;

/// <summary>What settings may give as a path of this host.</summary>
internal static class HostPath
{
    /// <summary>Whether it is absolute and leads nowhere else on the way.</summary>
    internal static bool IsPlainAbsolute(string path) =>
        path.StartsWith('/') && !path.Contains('\0', StringComparison.Ordinal) && !path.Split('/').Contains("..");
}
