using System.Net;
using KernelGateway.Core.Egress;
using KernelGateway.Core.Provisioning;
using KernelGateway.Core.Sandboxes;
using KernelGateway.Provisioners.Datalayer;
using KernelGateway.Provisioners.Docker;
using KernelGateway.Provisioners.JupyterServer;
using KernelGateway.Provisioners.Oci;
using KernelGateway.Provisioners.Process;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;

namespace KernelGateway.Provisioners;

/// <summary>Adds the variants to the services of a gateway.</summary>
public static class ProvisionerServices
{
    /// <summary>Adds every variant as <see cref="IKernelProvisioner"/>, with options from <c>Gateway:Local</c>, <c>Gateway:LocalEval</c> and so on that are checked at start.</summary>
    /// <param name="services">The services; <see cref="DataOptions"/> are used as they are configured there.</param>
    /// <param name="gateway">The section <c>Gateway</c>.</param>
    public static IServiceCollection AddProvisioners(this IServiceCollection services, IConfigurationSection gateway)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(gateway);
        services.TryAddSingleton(TimeProvider.System);

        services.AddOptions<OciProvisionerOptions>().Bind(gateway.GetSection("Local")).ValidateOnStart()
            .PostConfigure<IOptions<DataOptions>>(static (options, data) =>
            {
                if (options.StateFolder.Length == 0)
                {
                    options.DataDirectory = data.Value.DataDirectory;
                    options.StateFolder = Path.Combine(data.Value.DataDirectory, "hosts", "local");
                }

                if (options.ImagesFolder.Length == 0)
                {
                    options.ImagesFolder = Path.Combine(data.Value.DataDirectory, "images");
                }
            });
        services.AddSingleton<IValidateOptions<OciProvisionerOptions>, OciProvisionerOptionsValidator>();
        services.AddSingleton<IKernelProvisioner, OciProvisioner>();

        services.AddOptions<DockerProvisionerOptions>().Bind(gateway.GetSection("LocalDocker")).ValidateOnStart()
            .PostConfigure<IOptions<DataOptions>>(static (options, data) =>
            {
                if (options.StateFolder.Length == 0)
                {
                    options.DataDirectory = data.Value.DataDirectory;
                    options.StateFolder = Path.Combine(data.Value.DataDirectory, "hosts", "docker");
                }
            });
        services.AddSingleton<IValidateOptions<DockerProvisionerOptions>, DockerProvisionerOptionsValidator>();
        services.AddSingleton<IKernelProvisioner, DockerProvisioner>();

        services.AddOptions<ProcessProvisionerOptions>().Bind(gateway.GetSection("LocalEval")).ValidateOnStart()
            .PostConfigure<IOptions<DataOptions>>(static (options, data) =>
            {
                if (options.StateFolder.Length == 0)
                {
                    options.StateFolder = Path.Combine(data.Value.DataDirectory, "hosts", "eval");
                }
            });
        services.AddSingleton<IValidateOptions<ProcessProvisionerOptions>, ProcessProvisionerOptionsValidator>();
        services.AddSingleton<IKernelProvisioner, ProcessProvisioner>();

        services.TryAddSingleton<NameResolver>(Dns.GetHostAddressesAsync);
        services.TryAddSingleton<NetworkGuard>();
        services.TryAddSingleton<GuardedDialler>();
        services.AddOptions<JupyterServerOptions>().Bind(gateway.GetSection("LocalJupyter")).ValidateOnStart()
            .PostConfigure<IOptions<DataOptions>>(static (options, data) =>
            {
                if (options.StateFolder.Length == 0)
                {
                    options.StateFolder = Path.Combine(data.Value.DataDirectory, "hosts", "jupyter");
                }
            });
        services.AddSingleton<IValidateOptions<JupyterServerOptions>, JupyterServerOptionsValidator>();
        services.AddSingleton<IKernelProvisioner, JupyterServerProvisioner>();

        services.AddOptions<DatalayerOptions>().Bind(gateway.GetSection("Datalayer")).ValidateOnStart()
            .PostConfigure<IOptions<DataOptions>>(static (options, data) =>
            {
                if (options.NamePrefix.Length == 0)
                {
                    options.NamePrefix = DatalayerProvisioner.PrefixOf(data.Value.DataDirectory);
                }

                if (options.StateFolder.Length == 0)
                {
                    options.StateFolder = Path.Combine(data.Value.DataDirectory, "hosts", "datalayer");
                }
            });
        services.AddSingleton<IValidateOptions<DatalayerOptions>, DatalayerOptionsValidator>();
        services.AddSingleton<IKernelProvisioner, DatalayerProvisioner>();
        return services;
    }
}
