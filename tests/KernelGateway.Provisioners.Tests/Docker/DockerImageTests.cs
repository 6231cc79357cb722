using KernelGateway.Core.Environments;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Docker;
using KernelGateway.Provisioners.Tests.Support;

namespace KernelGateway.Provisioners.Tests.Docker;

/// <summary>Which images a sandbox can run on.</summary>
[NonParallelizable]
[CancelAfter(90_000)]
public sealed class DockerImageTests() : DockerSandboxFixture("images", 0x4A00_0000)
{
    [OneTimeSetUp]
    public async Task BuildImages()
    {
        // As the images of Python's own makers are: the interpreter below /usr/local, no tini, a user and a command of its own.
        await Daemon.BuildAsync("code-sandboxes-jupyter:latest", $"FROM {DockerDaemon.Image}\nRUN rm /usr/bin/tini /usr/bin/python3 && ln -s /usr/bin/python3.11 /usr/local/bin/python3\nENV PYTHONHOME=/nowhere\nUSER 1000\nHEALTHCHECK CMD false\nENTRYPOINT [\"jupyter\"]\n");
        await Daemon.BuildAsync("no-kernel:latest", $"FROM {DockerDaemon.Image}\nRUN rm -r /usr/lib/python3/dist-packages/ipykernel\n");
        await Daemon.BuildAsync("with-volume:latest", $"FROM {DockerDaemon.Image}\nVOLUME /var/cache\n");
        await Daemon.BuildAsync("nothing:latest", "FROM scratch\nLABEL of=nothing\n");
    }

    private protected override DockerProvisionerOptions Options()
    {
        var options = base.Options();
        options.Images["configured-env"] = "no-kernel:latest";
        options.Images["forgotten-env"] = "registry.example/forgotten:1";
        options.AllowedImages = ["code-sandboxes-jupyter:latest", "with-volume:latest", "nothing:latest", "not-there:1"];
        return options;
    }

    [Test]
    public async Task Another_image_is_used_when_it_is_allowed_whatever_its_layout(CancellationToken cancellationToken)
    {
        var host = await Provisioner.ProvisionAsync(Spec("s1", "python-cpu-env", "code-sandboxes-jupyter:latest"), cancellationToken);
        host.RunsOn.Should().MatchRegex("^code-sandboxes-jupyter:latest@sha256:[0-9a-f]{64}$");
        await using (var kernel = await RunningKernel.LaunchAsync(host, TestKernels.Python("k1"), cancellationToken))
        {
            (await kernel.RunAsync("import os, sys; print(sys.executable, open('/proc/1/comm').read().strip(), os.getuid() > 65535, 'PYTHONHOME' in os.environ)", cancellationToken))
                .Should().Be("/usr/local/bin/python3 docker-init True False");
        }

        await host.TerminateAsync(TimeSpan.Zero, cancellationToken);
    }

    [TestCase("python-cpu-env", "debian:latest", ErrorCode.InvalidArgument, "AllowedImages")]
    [TestCase("python-cpu-env", "not-there:1", ErrorCode.HostNotReady, "has no image 'not-there:1'. Bring it there: docker pull not-there:1")]
    [TestCase("forgotten-env", null, ErrorCode.HostNotReady, "docker pull registry.example/forgotten:1")]
    [TestCase("configured-env", null, ErrorCode.HostNotReady, "/usr/bin/python3 of the image 'no-kernel:latest' has no ipykernel")]
    [TestCase("python-cpu-env", "with-volume:latest", ErrorCode.HostNotReady, "declares the volume '/var/cache'")]
    [TestCase("python-cpu-env", "nothing:latest", ErrorCode.HostNotReady, "/bin/sh")]
    public async Task An_image_that_cannot_be_used_is_refused_with_what_it_lacks(string environment, string? image, ErrorCode code, string words, CancellationToken cancellationToken)
    {
        (await Provisioner.Invoking(it => it.ProvisionAsync(Spec("s2", environment, image), cancellationToken)).Should().ThrowAsync<GatewayException>())
            .Which.Should().Match<GatewayException>(it => it.Code == code && it.Message.Contains(words));
        HostTraces.Find(State, Parent).Should().BeEmpty();
    }

    [Test]
    public async Task An_engine_without_images_names_the_command_that_makes_one(CancellationToken cancellationToken)
    {
        var options = base.Options();
        options.Image = "kernel-gateway/{environment}:none";
        using var provisioner = DockerProvisionerTests.CreateWith(options);
        (await provisioner.CheckAsync(cancellationToken)).Reason.Should().Contain("sudo kernel-images/build.sh --docker");
        (await provisioner.Invoking(it => it.ProvisionAsync(Spec("s3", "python-cpu-env", null), cancellationToken)).Should().ThrowAsync<GatewayException>())
            .Which.Message.Should().Contain("Make it: sudo kernel-images/build.sh --docker python-cpu-env.");
    }

    [Test]
    public async Task What_environments_run_on_is_known_after_a_check(CancellationToken cancellationToken)
    {
        (await Provisioner.CheckAsync(cancellationToken)).Reason.Should().BeNull();
        Provisioner.SystemOf("python-cpu-env").Should().StartWith("kernel-gateway/python-cpu-env:latest@sha256:");
        Provisioner.SystemOf("configured-env").Should().StartWith("no-kernel:latest@sha256:");
        Provisioner.SystemOf("forgotten-env").Should().BeNull();
    }

    [Test]
    public async Task A_group_that_the_engine_cannot_make_is_named(CancellationToken cancellationToken)
    {
        var options = base.Options();
        options.CgroupParent = "kernelgateway.slice";
        using var provisioner = DockerProvisionerTests.CreateWith(options);
        (await provisioner.CheckAsync(cancellationToken)).Reason.Should().Contain("manages control groups with 'cgroupfs'").And.Contain("Gateway:LocalDocker:CgroupParent");
    }

    [Test]
    public async Task The_dockerfiles_of_environments_build_what_a_sandbox_needs(CancellationToken cancellationToken)
    {
        foreach (var folder in Directory.EnumerateDirectories(Path.Combine(Repository.Root, "kernel-images")).Where(folder => File.Exists(Path.Combine(folder, "packages.txt"))))
        {
            (await File.ReadAllTextAsync(Path.Combine(folder, "Dockerfile"), cancellationToken)).Should()
                .Contain("ARG BASE=debian:stable-slim").And.Contain("packages.txt").And.Contain($"kernel-gateway/{Path.GetFileName(folder)}:latest");
        }

        // A base that has the packages already: nothing is fetched.
        await Daemon.DockerAsync("build", "--quiet", "--network", "none", "--build-arg", $"BASE={DockerDaemon.Image}", "--tag", "code-sandboxes-jupyter:built", Path.Combine(Repository.Root, "kernel-images", "python-cpu-env"));
        (await Daemon.DockerAsync("image", "inspect", "--format", "{{index .Config.Labels \"kernelgateway.environment\"}}", "code-sandboxes-jupyter:built")).Should().Be("python-cpu-env");
    }

    private static HostSpec Spec(string id, string environment, string? image)
    {
        var spec = TestKernels.Spec(id);
        return spec with
        {
            Image = image,
            Environment = spec.Environment with
            {
                Name = environment,
                Kernels = new Dictionary<string, EnvironmentKernel> { ["python3"] = spec.Environment.Kernels["python3"] with { Argv = ["/usr/bin/python3", "-I", "{launcher}/kernel.py", "-f", "{connection_file}"] } },
            },
        };
    }
}
