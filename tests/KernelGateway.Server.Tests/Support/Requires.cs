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
        if (missing is null)
        {
            return;
        }

        if (Environment.GetEnvironmentVariable("CI") == "true")
        {
            Assert.Fail($"The variant 'local' needs {missing}.");
        }

        Assert.Ignore($"The variant 'local' needs {missing}.");
    }
}
