namespace KernelGateway.EndToEnd.Tests.Support;

/// <summary>The checkout that the tests were built from.</summary>
internal static class Repository
{
    public static string Root { get; } = Find();

    private static string Find()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "KernelGateway.sln")))
            {
                return folder.FullName;
            }
        }

        throw new AssertionException("The folder with KernelGateway.sln was not found above the tests.");
    }
}
