using KernelGateway.Provisioners.Containers;
using KernelGateway.Provisioners.Docker;
using KernelGateway.Provisioners.JupyterServer;
using KernelGateway.Provisioners.Oci;
using KernelGateway.Provisioners.Process;

namespace KernelGateway.Provisioners.Tests;

[Parallelizable(ParallelScope.All)]
public sealed class OptionsTests
{
    [Test]
    public void The_defaults_are_right()
    {
        new OciProvisionerOptionsValidator().Validate(null, new OciProvisionerOptions { StateFolder = "/var/lib/x" }).Failed.Should().BeFalse();
        new DockerProvisionerOptionsValidator().Validate(null, new DockerProvisionerOptions { StateFolder = "/var/lib/x" }).Failed.Should().BeFalse();
        new ProcessProvisionerOptionsValidator().Validate(null, new ProcessProvisionerOptions { StateFolder = "/var/lib/x" }).Failed.Should().BeFalse();
    }

    [Test]
    public void Settings_of_Jupyter_servers_that_contradict_each_other_are_named_with_the_way_out()
    {
        var options = new JupyterServerOptions { StateFolder = "/srv/x", Url = "http://u:p@x/", Token = "a b", TokenFile = "file", StartServers = true };
        var failures = string.Join('\n', new JupyterServerOptionsValidator().Validate(null, options).Failures!);
        failures.Should().ContainAll("Gateway:LocalJupyter:Url must be a plain address", "StartServers and Url exclude each other", "TokenFile and Token are both given", "Token holds something else", "TokenFile is 'file'");
        failures.Should().NotContain("a b", "it is a secret");
        new JupyterServerOptionsValidator().Validate(null, new JupyterServerOptions { StateFolder = "/srv/x" }).Failed.Should().BeFalse();
    }

    [Test]
    public void No_isolation_is_off_unless_asked_for() => new ProcessProvisionerOptions().Enabled.Should().BeFalse();

    [Test]
    public void All_wrong_settings_are_told_at_once_with_the_way_to_put_them_right()
    {
        var options = new OciProvisionerOptions
        {
            RuntimePath = "",
            StateFolder = "relative/../path",
            UidBase = 1000,
            UidSlots = 0,
            PythonPath = "/opt/python",
            TiniPath = "tini",
            LauncherFolder = "launcher",
            CgroupParent = "/",
            TmpBytes = 1,
            SharedMemoryBytes = -1,
            MaxFileBytes = 0,
            StartTimeout = TimeSpan.Zero,
        };
        var failures = new OciProvisionerOptionsValidator().Validate(null, options).Failures!.ToList();
        failures.Should().HaveCount(12).And.OnlyContain(text => text.StartsWith("Gateway:Local:", StringComparison.Ordinal) && text.Contains("give", StringComparison.Ordinal));
    }

    [Test]
    public void All_wrong_settings_of_the_engine_are_told_at_once_too()
    {
        var options = new DockerProvisionerOptions
        {
            SocketPath = "tcp://10.0.0.1:2375",
            Image = "../{environment}",
            Images = { ["a"] = "with space" },
            AllowedImages = ["ok:1", "a//b", "http://x/../y?z"],
            StateFolder = "relative",
            UidBase = 1000,
            UidSlots = 0,
            CgroupParent = "docker",
            LauncherFolder = "launcher",
            TmpBytes = 1,
            SharedMemoryBytes = -1,
            MaxFileBytes = 0,
            SharedDiskBytes = 1,
            StartTimeout = TimeSpan.FromHours(1),
        };
        var failures = new DockerProvisionerOptionsValidator().Validate(null, options).Failures!.ToList();
        failures.Should().HaveCount(15).And.OnlyContain(text => text.StartsWith("Gateway:LocalDocker:", StringComparison.Ordinal) && text.Contains("give", StringComparison.Ordinal));
    }

    [TestCase("docker"), TestCase("a/b.slice"), TestCase("/"), TestCase("/a/../b")]
    public void A_group_is_a_path_or_a_slice(string group) =>
        new DockerProvisionerOptionsValidator().Validate(null, new DockerProvisionerOptions { StateFolder = "/var/lib/x", CgroupParent = group }).Failed.Should().BeTrue();

    [Test]
    public void Uids_must_not_run_out_of_their_range()
    {
        var options = new OciProvisionerOptions { UidBase = uint.MaxValue - 100, UidSlots = 1000 };
        new OciProvisionerOptionsValidator().Validate(null, options).FailureMessage.Should().Contain("make either smaller");
    }

    [Test]
    public void A_state_folder_too_long_for_sockets_is_refused()
    {
        var options = new ProcessProvisionerOptions { Enabled = true, StateFolder = "/" + new string('x', 60) };
        new ProcessProvisionerOptionsValidator().Validate(null, options).FailureMessage.Should().Contain("at most 55 characters");
        options.Enabled = false;
        new ProcessProvisionerOptionsValidator().Validate(null, options).Succeeded.Should().BeTrue("a variant that is off needs no folder");
    }
}
