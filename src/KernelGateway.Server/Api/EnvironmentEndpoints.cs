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
        api.MapGet("/environments", (EnvironmentCatalog catalog, IEnumerable<IKernelProvisioner> variants, PackageInstaller packages, string? variant) => new EnvironmentList(
            [.. catalog.All.Where(RunnableIn(variant, variants)).Select(e => new EnvironmentInfo(e.Name, e.Title, e.Language, [.. e.Kernels.Keys], e.Modules) 
            {
                RunsOn = RunsOn(e.Name, variants),
                Packages = packages.AllowedIn(e),
                Mounts = [.. e.Mounts.Select(mount => new MountInfo(mount.Target, mount.IsWritable ? "write" : "read"))],
            })]))
            .WithTags("Environments").WithName("ListEnvironments").WithSummary("The environments of this gateway, or those of them that a variant can run.");

    /// <summary>Folders of the host are all that an environment can ask of a variant.</summary>
    private static Func<EnvironmentDefinition, bool> RunnableIn(string? variant, IEnumerable<IKernelProvisioner> variants)
    {
        if (variant is null)
        {
            return _ => true;
        }

        var name = VariantName.Normalize(variant);
        return variants.Any(one => one.Name == name && one.MountsHostFolders) ? _ => true : environment => environment.Mounts.Count == 0;
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
