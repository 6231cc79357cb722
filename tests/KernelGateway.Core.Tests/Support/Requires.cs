namespace KernelGateway.Core.Tests.Support;

/// <summary>What a test needs of the machine: missing, it is passed over by name, and a failure in CI.</summary>
internal static class Requires
{
    public const string Python = "/usr/bin/python3.11";

    public static void AKernel()
    {
        Need(File.Exists(Python), $"{Python} is missing");
        Need(Directory.Exists("/usr/lib/python3/dist-packages/ipykernel"), "python3-ipykernel is missing");
    }

    public static void Root() => Need(Environment.UserName == "root", "this test needs root");

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
