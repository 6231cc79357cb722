using KernelGateway.Contracts.Environments;
using KernelGateway.Core.Environments;

namespace KernelGateway.Server.Api;

/// <summary>What sandboxes can be made from.</summary>
internal static class EnvironmentEndpoints
{
    public static void MapEnvironments(this RouteGroupBuilder api) =>
        api.MapGet("/environments", (EnvironmentCatalog catalog) => new EnvironmentList(
            [.. catalog.All.Select(e => new EnvironmentInfo(e.Name, e.Title, e.Language, [.. e.Kernels.Keys], e.Modules))]))
            .WithTags("Environments").WithName("ListEnvironments").WithSummary("The environments of this gateway.");
}
