namespace KernelGateway.Benchmarks;

/// <summary>Where the sources are.</summary>
internal static class Repository
{
    public static string Root { get; } = Find(new DirectoryInfo(AppContext.BaseDirectory));

    public static string Launcher => Path.Combine(Root, "kernel-images", "launcher");

    private static string Find(DirectoryInfo? folder)
    {
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "KernelGateway.sln")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new InvalidOperationException("The benchmarks need the repository they were built from.");
    }
}
