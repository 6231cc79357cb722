using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Sandboxes;
using KernelGateway.Server.Security;

namespace KernelGateway.Server.Api;

/// <summary>What a sandbox may reach: looking at it and changing it while it runs.</summary>
internal static class NetworkEndpoints
{
    public static void MapNetwork(this RouteGroupBuilder api)
    {
        var group = api.MapGroup("/sandboxes/{id}/network").WithTags("Network");
        group.MapGet("", (string id, SandboxRegistry registry, HttpContext http) => registry.Get(id, http.Owner()).Network)
            .WithName("GetNetwork").WithSummary("The network policy of a sandbox, and what went through.");
        group.MapPut("", SetAsync).WithName("SetNetwork").WithSummary("Replaces policy and lists at once; connections that are now denied are cut.");
    }

    private static async Task<NetworkInfo> SetAsync(string id, SetNetworkRequest request, SandboxRegistry registry, HttpContext http)
    {
        var sandbox = registry.Get(id, http.Owner());
        await registry.SetNetworkAsync(sandbox, request, http.RequestAborted);
        return sandbox.Network;
    }
}
