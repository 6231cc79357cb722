using KernelGateway.Contracts.Environments;
using KernelGateway.Core.Environments;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Packages;
using KernelGateway.Core.Provisioning;
using KernelGateway.Core.Sandboxes;

namespace KernelGateway.Server.Api;

/// <summary>What sandboxes can be made from.</summary>
internal static class EnvironmentEndpoints
{
    public static void MapEnvironments(this RouteGroupBuilder api) =>
        api.MapGet("/environments", ListAsync)
            .WithTags("Environments").WithName("ListEnvironments").WithSummary("The environments of this gateway, or those that a variant can run, which may be those of a service.");

    private static async Task<EnvironmentList> ListAsync(
        string? variant, EnvironmentCatalog catalog, IEnumerable<IKernelProvisioner> variants, PackageInstaller packages, CancellationToken cancellationToken)
    {
        var name = variant is null ? null : VariantName.Normalize(variant);
        var provisioner = variants.FirstOrDefault(one => one.Name == name);
        var own = provisioner is null ? null : await provisioner.EnvironmentsAsync(cancellationToken);
        var shown = own?.Select(one => catalog.Find(one.Name) is { } known ? known with { Title = one.Title } : one) ?? catalog.All;

        // Folders of the host are all that an environment can ask of a variant.
        return new EnvironmentList([.. shown.Where(e => name is null || provisioner is { MountsHostFolders: true } || e.Mounts.Count == 0)
            .Select(e => new EnvironmentInfo(e.Name, e.Title, e.Language, [.. e.Kernels.Keys], e.Modules)
            {
                RunsOn = RunsOn(e.Name, variants),
                Packages = packages.AllowedIn(e),
                Mounts = [.. e.Mounts.Select(mount => new MountInfo(mount.Target, mount.IsWritable ? "write" : "read"))],
            })]);
    }

    private static Dictionary<string, string> RunsOn(string environment, IEnumerable<IKernelProvisioner> variants)
    {
        var systems = new Dictionary<string, string>();
        foreach (var variant in variants)
        {
            try
            {
                if (variant.SystemOf(environment) is { } system)
                {
                    systems[variant.Name] = system;
                }
            }
            catch (GatewayException)
            {
                // Nothing can be made there now; who tries is told why.
            }
        }

        return systems;
    }
}
