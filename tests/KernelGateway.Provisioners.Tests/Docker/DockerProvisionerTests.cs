using System.Globalization;
using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Docker;
using KernelGateway.Provisioners.Launcher;
using KernelGateway.Provisioners.Tests.Contract;
using KernelGateway.Provisioners.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace KernelGateway.Provisioners.Tests.Docker;

/// <summary>The variant <c>local-docker</c>: what it does beyond the contract is to isolate, as far as the engine can.</summary>
public sealed partial class DockerProvisionerTests : KernelProvisionerContract
{
    private static DockerDaemon s_daemon = null!;

    protected override string Variant => "local-docker";

    protected override async Task PrepareVariantAsync() => s_daemon = await SharedDaemon.GetAsync();

    protected override string WorkFolderOf(string sandboxId) => "/workspace";

    protected override IKernelProvisioner Create(string state) => CreateWith(OptionsOf(state));

    protected override int AgentOf(HostDescription description)
    {
        // The child of the first process of the container.
        var init = LauncherState.Read(description, Variant).PlaceNumber("pid");
        return int.Parse(File.ReadAllText($"/proc/{init}/task/{init}/children").Split(' ')[0], CultureInfo.InvariantCulture);
    }

    internal static DockerProvisionerOptions OptionsOf(string state) => new()
    {
        SocketPath = s_daemon.Socket,
        Image = DockerDaemon.Image,
        StateFolder = state,
        LauncherFolder = Repository.Launcher,
        CgroupParent = CgroupParent,
    };

    internal static DockerProvisioner CreateWith(DockerProvisionerOptions options) =>
        new(Options.Create(options), TimeProvider.System, NullLogger<DockerProvisioner>.Instance);
}
