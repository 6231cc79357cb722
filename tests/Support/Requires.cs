namespace KernelGateway.Testing;

/// <summary>What a test needs of the machine: missing, it is passed over by name, and a failure where everything must be there (CI=true).</summary>
internal static class Requires
{
    public const string Python = "/usr/bin/python3.11";

    /// <summary>All that the variant <c>local</c> needs.</summary>
    public static void LocalVariant()
    {
        Root();
        Program("/usr/sbin/runc");
        Program("/usr/bin/tini");
        Kernel();
    }

    /// <summary>All that the variant of a test case needs; the others need no more than the tests themselves.</summary>
    public static void Variant(string variant)
    {
        if (variant == "local")
        {
            LocalVariant();
        }
    }

    /// <summary>A Python kernel on the host.</summary>
    public static void Kernel()
    {
        Program(Python);
        Module("ipykernel");
    }

    public static void Root() => Demand(Environment.IsPrivilegedProcess, "root");

    /// <summary>A program of the host.</summary>
    public static void Program(string path) => Demand(File.Exists(path), path);

    /// <summary>A module of the system's Python.</summary>
    public static void Module(string name)
    {
        var place = Path.Combine("/usr/lib/python3/dist-packages", name);
        Demand(Directory.Exists(place) || File.Exists(place + ".py"), $"python3-{name.Replace('_', '-')}");
    }

    /// <summary>Anything else.</summary>
    public static void Demand(bool there, string what)
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
