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
public sealed partial class DockerProvisionerTests : ContainerProvisionerContract
{
    private static DockerDaemon s_daemon = null!;

    protected override string Variant => "local-docker";

    protected override async Task PrepareVariantAsync() => s_daemon = await SharedDaemon.GetAsync();

    protected override IKernelProvisioner Create(string state) => CreateWith(OptionsOf(state));

    internal static DockerProvisionerOptions OptionsOf(string state) => SharedDaemon.OptionsFor(s_daemon, state, CgroupParent, new DockerProvisionerOptions().UidBase);

    internal static DockerProvisioner CreateWith(DockerProvisionerOptions options) =>
        new(Options.Create(options), TimeProvider.System, NullLogger<DockerProvisioner>.Instance);
}
