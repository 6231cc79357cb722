using KernelGateway.Core.Environments;
using KernelGateway.Core.Policies;
using KernelGateway.Core.Sandboxes;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace KernelGateway.Core.Tests.Policies;

[Parallelizable(ParallelScope.All)]
public sealed class HostMountOptionsTests
{
    private static readonly HostMountOptionsValidator Validator = new(Options.Create(new DataOptions { DataDirectory = "/var/lib/kernel-gateway" }));

    [Test]
    public void Mounts_are_read_from_the_gateways_configuration()
    {
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Gateway:Environments:python-cpu-env:Mounts:0:Source"] = "/srv/projects/demo",
            ["Gateway:Environments:python-cpu-env:Mounts:0:Target"] = "/workspace/demo",
            ["Gateway:Environments:python-cpu-env:Mounts:0:Access"] = "Write",
            ["Gateway:Environments:python-cpu-env:Mounts:0:DenyRead:0"] = "**/*.pem",
            ["Gateway:Environments:python-cpu-env:Mounts:0:AllowWrite:0"] = "src",
            ["Gateway:Environments:python-cpu-env:Mounts:0:DenyWrite:0"] = ".env",
            ["Gateway:Environments:python-cpu-env:Mounts:0:DenyWrite:1"] = "secrets/",
        }).Build();
        var options = new HostMountOptions();
        configuration.GetSection("Gateway").Bind(options);
        Validator.Validate(null, options).Should().Be(ValidateOptionsResult.Success);
        options.Environments["python-cpu-env"].Mounts.Should().ContainSingle().Which.Should().BeEquivalentTo(new HostMount
        {
            Source = "/srv/projects/demo",
            Target = "/workspace/demo",
            Access = "Write",
            DenyRead = ["**/*.pem"],
            AllowWrite = ["src"],
            DenyWrite = [".env", "secrets/"],
        });
    }

    [TestCase("", "absolute path")]
    [TestCase("srv/x", "absolute path")]
    [TestCase("/", "absolute path")]
    [TestCase("/srv/../etc", "without '.', '..'")]
    [TestCase("/srv//x", "absolute path")]
    [TestCase("/srv/x/", "slash at its end")]
    [TestCase("/proc/1", "/proc")]
    [TestCase("/sys", "/sys")]
    [TestCase("/dev/shm", "/dev")]
    [TestCase("/etc/ssl", "/etc")]
    [TestCase("/root", "/root")]
    [TestCase("/root/project", "/root")]
    [TestCase("/run/docker.sock", "/run")]
    [TestCase("/usr/share", "/usr")]
    [TestCase("/boot", "/boot")]
    [TestCase("/home", "/home/demo")]
    [TestCase("/var", "/var/demo")]
    [TestCase("/tmp", "/tmp/demo")]
    [TestCase("/var/lib/kernel-gateway", "data directory")]
    [TestCase("/var/lib/kernel-gateway/hosts", "data directory")]
    [TestCase("/var/lib", "more than one owner")]
    public void A_source_that_would_give_away_the_host_is_refused(string source, string says) =>
        Problems(new HostMount { Source = source, Target = "/data" }).Should().ContainSingle()
            .Which.Should().StartWith("Gateway:Environments:e:Mounts:0:Source is '").And.Contain(says).And.Contain("give");

    [TestCase("")]
    [TestCase("data")]
    [TestCase("/")]
    [TestCase("/usr/local")]
    [TestCase("/run/kg/s")]
    [TestCase("/tmp/x")]
    [TestCase("/etc")]
    [TestCase("/proc")]
    [TestCase("/lib64")]
    [TestCase("/root")]
    [TestCase("/workspace/../etc")]
    public void A_target_in_the_sandboxs_system_is_refused(string target) =>
        Problems(new HostMount { Source = "/srv/x", Target = target }).Should().ContainSingle()
            .Which.Should().StartWith("Gateway:Environments:e:Mounts:0:Target is '").And.Contain("/workspace/project");

    [TestCase("/home/ada/project", "/workspace")]
    [TestCase("/srv", "/data", false)]
    [TestCase("/data", "/data")]
    [TestCase("/tmp/x", "/home/x")]
    public void Ordinary_folders_are_taken(string source, string target, bool taken = true) =>
        Problems(new HostMount { Source = source, Target = target }).Should().HaveCount(taken ? 0 : 1);

    [Test]
    public void All_problems_are_told_together_each_with_the_way_out()
    {
        var problems = Problems(
            new HostMount { Source = "/etc", Target = "/usr", Access = "rw" },
            new HostMount { Source = "/srv/a", Target = "/data", Access = "read", DenyWrite = ["x"] },
            new HostMount { Source = "/srv/b", Target = "/data/b", Access = "write", DenyRead = ["/etc", "../x", "."], AllowWrite = ["*.txt"], DenyWrite = ["a**b", "**"] });
        problems.Should().HaveCount(11);
        problems.Should().Contain(problem => problem.Contains("give read or write", StringComparison.Ordinal))
            .And.Contain(problem => problem.Contains("overlaps '/data' of another mount", StringComparison.Ordinal))
            .And.Contain(problem => problem.Contains("AllowWrite has '*.txt'", StringComparison.Ordinal));
    }

    [Test]
    public void What_was_added_to_an_unknown_environment_is_told()
    {
        var options = new HostMountOptions();
        options.Environments["pyhton"] = new EnvironmentMounts();
        var catalog = EnvironmentCatalog.Of(new EnvironmentDefinition
        {
            Name = "python", Title = "t", Language = "python", DefaultKernel = "k", Kernels = new Dictionary<string, EnvironmentKernel>(),
        });
        catalog.Invoking(it => it.With(options)).Should().Throw<InvalidDataException>().WithMessage("*pyhton*Choose of: python.");
    }

    private static List<string> Problems(params HostMount[] mounts)
    {
        var options = new HostMountOptions();
        options.Environments["e"] = new EnvironmentMounts { Mounts = mounts };
        return [.. Validator.Validate(null, options).Failures ?? []];
    }
}
