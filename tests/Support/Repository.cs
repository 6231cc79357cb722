namespace KernelGateway.Testing;

/// <summary>Files of the repository that tests and benchmarks use as they are.</summary>
internal static class Repository
{
    public static string Root { get; } = FindRoot();

    public static string Launcher => Path.Combine(Root, "kernel-images", "launcher");

    private static string FindRoot()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "KernelGateway.sln")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new InvalidOperationException($"KernelGateway.sln was not found above {AppContext.BaseDirectory}: tests and benchmarks need the repository they were built from.");
    }
}
