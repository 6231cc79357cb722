namespace KernelGateway.Core.Tests.Support;

/// <summary>Where the files of the repository are that tests use as they are.</summary>
internal static class Repository
{
    public static string Root { get; } = FindRoot();

    public static string Launcher => Path.Combine(Root, "kernel-images", "launcher");

    private static string FindRoot()
    {
        DirectoryInfo? folder = new(TestContext.CurrentContext.TestDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "KernelGateway.sln")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new InvalidOperationException("KernelGateway.sln was not found above the tests.");
    }
}
