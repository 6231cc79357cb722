namespace KernelGateway.Provisioners.Tests.Support;

/// <summary>Files of the repository that tests run.</summary>
internal static class Repository
{
    internal static string Root { get; } = FindRoot();

    internal static string Launcher { get; } = Path.Combine(Root, "kernel-images", "launcher");

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "KernelGateway.sln")))
            {
                return folder.FullName;
            }
        }

        throw new InvalidOperationException("The tests run outside the repository.");
    }
}
