using System.Net;
using KernelGateway.Core.Egress;
using KernelGateway.Core.Policies;
using KernelGateway.Provisioners.JupyterServer;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace KernelGateway.Provisioners.Tests.JupyterServer;

/// <summary>Makes what the fixtures of Jupyter Servers test.</summary>
internal static class ServerProvisioners
{
    internal static void RequireServer() => JupyterServerProcess.Require();

    /// <param name="options">Its settings.</param>
    /// <param name="allowed">Private networks that count as public.</param>
    internal static JupyterServerProvisioner Create(JupyterServerOptions options, params string[] allowed) =>
        new(Options.Create(WithLauncher(options)), Dialler(allowed), TimeProvider.System, NullLogger<JupyterServerProvisioner>.Instance);

    private static JupyterServerOptions WithLauncher(JupyterServerOptions options)
    {
        options.LauncherFolder = Repository.Launcher;
        return options;
    }

    internal static GuardedDialler Dialler(params string[] allowed) => new(new NetworkGuard(
        Options.Create(new NetworkOptions { AllowedPrivateAddresses = allowed }), Dns.GetHostAddressesAsync, TimeProvider.System, NullLogger<NetworkGuard>.Instance));
}
