using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Containers;
using KernelGateway.Provisioners.Oci;
using KernelGateway.Provisioners.Tests.Support;

namespace KernelGateway.Provisioners.Tests.Oci;

/// <summary>Sandboxes on a system that was built for their environment.</summary>
/// <remarks>Building takes two minutes, so tests/run.sh does it once and keeps the image: kernel-images/build.sh python-cpu-env --output /var/tmp/kernel-gateway-tests/images</remarks>
[NonParallelizable]
[CancelAfter(90_000)]
public sealed class SystemImageTests() : FreshHostFixture("image", 0x5000)
{
    private const string Built = "/var/tmp/kernel-gateway-tests/images";
    private const string Name = "python-cpu-env";

    [SetUp]
    public void MakeImagesFolder()
    {
        Settings.ImagesFolder = Path.Combine(Folder, "images");
        Directory.CreateDirectory(Settings.ImagesFolder);
    }

    [Test]
    public async Task A_sandbox_runs_on_the_image_of_its_environment_and_shares_it_with_the_next(CancellationToken cancellationToken)
    {
        Requires.Program(Path.Combine(Built, $"{Name}.json"));
        Settings.ImagesFolder = Built;
        using var provisioner = OciProvisionerTests.CreateWith(Settings);
        (await provisioner.CheckAsync(cancellationToken)).Reason.Should().BeNull();
        provisioner.SystemOf(Name).Should().MatchRegex($"^{Name}@sha256:[0-9a-f]{{64}}$");
        provisioner.SystemOf("another").Should().Be("host");

        var first = await provisioner.ProvisionAsync(Spec("i1"), cancellationToken);
        var second = await provisioner.ProvisionAsync(Spec("i2"), cancellationToken);
        first.RunsOn.Should().Be(provisioner.SystemOf(Name));
        Mounts().Should().ContainSingle(mount => mount.FileSystem == "squashfs").Which.Options.Should().Contain(["ro", "nosuid", "nodev"]);
        await using (var kernel = await RunningKernel.LaunchAsync(first, TestKernels.Python("k1"), cancellationToken))
        {
            (await kernel.RunAsync("import os; print([l.split()[2:4] for l in open('/proc/mounts') if l.split()[1] == '/usr'], os.path.exists('/usr/bin/gcc'), os.path.exists('/usr/bin/runc'))", cancellationToken))
                .Should().StartWith("[['squashfs', 'ro,nosuid,nodev").And.EndWith("False False", "nothing of the host is in it");
            (await kernel.RunAsync("import subprocess; print(subprocess.run(['sh', '-c', 'awk 1 /etc/hostname'], capture_output=True, text=True).stdout)", cancellationToken))
                .Should().Be("sandbox", "links through /etc/alternatives lead into the image");
        }

        // Another gateway takes them up; images in use stay.
        var description = first.Describe();
        await first.DisposeAsync();
        using var other = OciProvisionerTests.CreateWith(Settings);
        var again = await other.ReattachAsync(description, cancellationToken);
        again.RunsOn.Should().StartWith($"{Name}@sha256:");
        (await other.RemoveOrphansAsync(new HashSet<string> { "i1", "i2" }, cancellationToken)).Should().BeEmpty();
        Mounts().Should().Contain(mount => mount.FileSystem == "squashfs");
        await again.TerminateAsync(TimeSpan.Zero, cancellationToken);
        await second.TerminateAsync(TimeSpan.Zero, cancellationToken);

        // The sweep lets go of what nobody uses, and the next sandbox finds it again.
        await other.RemoveOrphansAsync(new HashSet<string>(), cancellationToken);
        Mounts().Should().BeEmpty();
        HostTraces.LoopDevices(Built).Should().BeEmpty();
        var third = await other.ProvisionAsync(Spec("i3"), cancellationToken);
        third.RunsOn.Should().StartWith($"{Name}@sha256:");
        await third.TerminateAsync(TimeSpan.Zero, cancellationToken);
        await other.RemoveOrphansAsync(new HashSet<string>(), cancellationToken);
    }

    [TestCase("{\"name\":\"python-cpu-env\",\"file\":\"x.squashfs\",\"digest\":\"sha256:0000000000000000000000000000000000000000000000000000000000000000\"}", "not what was built")]
    [TestCase("{\"name\":\"python-cpu-env\",\"file\":\"y.squashfs\",\"digest\":\"sha256:0000000000000000000000000000000000000000000000000000000000000000\"}", "y.squashfs")]
    [TestCase("{\"name\":\"python-cpu-env\",\"file\":\"../x.squashfs\",\"digest\":\"sha256:0000000000000000000000000000000000000000000000000000000000000000\"}", "is missing")]
    [TestCase("{\"name\":\"python-cpu-env\",\"file\":\"x.squashfs\",\"digest\":\"sha256:../../../../../../../../../../../../../../../../../../../../../../a\"}", "is missing")]
    [TestCase("{\"name\":\"python-cpu-env\"}", "is missing")]
    [TestCase("{", "cannot be used")]
    public async Task An_image_that_is_not_what_was_built_is_not_mounted(string description, string why, CancellationToken cancellationToken)
    {
        await File.WriteAllTextAsync(Path.Combine(Settings.ImagesFolder, "x.squashfs"), "no file system", cancellationToken);
        await File.WriteAllTextAsync(Path.Combine(Settings.ImagesFolder, $"{Name}.json"), description, cancellationToken);
        using var provisioner = OciProvisionerTests.CreateWith(Settings);
        (await provisioner.Invoking(it => it.ProvisionAsync(Spec("i1"), cancellationToken)).Should().ThrowAsync<GatewayException>())
            .Which.Should().Match<GatewayException>(it => it.Code == ErrorCode.HostNotReady && it.Message.Contains(why) && it.Message.Contains("kernel-images/build.sh"));
        Mounts().Should().BeEmpty();
    }

    private static HostSpec Spec(string id)
    {
        var spec = TestKernels.Spec(id);
        return spec with { Environment = spec.Environment with { Name = Name, Kernels = OnImage(spec) } };
    }

    /// <summary>The image has the distribution's interpreter under its plain name.</summary>
    private static Dictionary<string, Core.Environments.EnvironmentKernel> OnImage(HostSpec spec) => spec.Environment.Kernels.ToDictionary(
        kernel => kernel.Key,
        kernel => kernel.Value with { Argv = [.. kernel.Value.Argv.Select(word => word == "/usr/bin/python3.11" ? "/usr/bin/python3" : word)] });

    private IReadOnlyList<MountEntry> Mounts() => [.. HostMounts.Below(Path.Combine(Settings.StateFolder, "images"))];
}
