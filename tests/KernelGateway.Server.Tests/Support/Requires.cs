namespace KernelGateway.Server.Tests.Support;

/// <summary>What a test needs of the machine: missing, it is passed over by name, and a failure in CI.</summary>
internal static class Requires
{
    /// <summary>All that the variant <c>local</c> needs.</summary>
    public static void LocalVariant()
    {
        var missing = Environment.IsPrivilegedProcess
            ? new[] { "/usr/sbin/runc", "/usr/bin/tini", "/usr/bin/python3.11" }.FirstOrDefault(program => !File.Exists(program))
            : "root";
        Demand(missing, "The variant 'local'");
    }

    /// <summary>A program.</summary>
    public static void Program(string path, string who) => Demand(File.Exists(path) ? null : path, who);

    private static void Demand(string? missing, string who)
    {
        if (missing is null)
        {
            return;
        }

        if (Environment.GetEnvironmentVariable("CI") == "true")
        {
            Assert.Fail($"{who} needs {missing}.");
        }

        Assert.Ignore($"{who} needs {missing}.");
    }
}
