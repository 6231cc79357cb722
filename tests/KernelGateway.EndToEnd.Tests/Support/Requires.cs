namespace KernelGateway.EndToEnd.Tests.Support;

/// <summary>What a test needs of the machine: missing, it is passed over by name, and a failure in CI.</summary>
internal static class Requires
{
    /// <summary>All that the variant <c>local</c> needs.</summary>
    public static void LocalVariant()
    {
        Need(Environment.IsPrivilegedProcess, "The variant 'local' needs root.");
        foreach (var program in new[] { "/usr/sbin/runc", "/usr/bin/tini", "/usr/bin/python3.11" })
        {
            Need(File.Exists(program), $"{program} is missing.");
        }

        Need(Directory.Exists("/usr/lib/python3/dist-packages/ipykernel"), "python3-ipykernel is missing.");
    }

    /// <summary>That the tests run as root.</summary>
    public static void Root() => Need(Environment.IsPrivilegedProcess, "Root is needed.");

    /// <summary>A module of the system's Python.</summary>
    public static void Module(string name) =>
        Need(Directory.Exists($"/usr/lib/python3/dist-packages/{name}"), $"python3-{name} is missing.");

    /// <summary>A Docker engine, of which something may be missing.</summary>
    public static void Docker(string? missing) => Need(missing is null, $"{missing} is missing.");

    /// <summary>A program of the host.</summary>
    public static void Program(string path) => Need(File.Exists(path), $"{path} is missing.");

    private static void Need(bool met, string missing)
    {
        if (met)
        {
            return;
        }

        if (Environment.GetEnvironmentVariable("CI") == "true")
        {
            Assert.Fail(missing);
        }

        Assert.Ignore(missing);
    }
}
