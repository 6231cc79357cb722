namespace KernelGateway.Provisioners.Tests.Support;

/// <summary>Skips a test by name where something is missing; fails it where everything must be there (CI=true).</summary>
internal static class Requires
{
    internal static void Root() => Demand(Environment.UserName == "root", "root");

    internal static void Program(string path) => Demand(File.Exists(path), path);

    internal static void Demand(bool there, string what)
    {
        if (there)
        {
            return;
        }

        if (Environment.GetEnvironmentVariable("CI") == "true")
        {
            Assert.Fail($"{what} is missing, and CI must have it.");
        }

        Assert.Ignore($"{what} is missing.");
    }
}
