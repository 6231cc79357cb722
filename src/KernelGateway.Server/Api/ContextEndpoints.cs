using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Sandboxes;
using KernelGateway.Server.Security;

namespace KernelGateway.Server.Api;

/// <summary>The kernels of a sandbox, each with a namespace and a queue of its own.</summary>
internal static class ContextEndpoints
{
    public static void MapContexts(this RouteGroupBuilder api)
    {
        var group = api.MapGroup("/sandboxes/{id}/contexts").WithTags("Contexts");
        group.MapPost("", CreateAsync).WithName("CreateContext").WithSummary("Starts another kernel in a sandbox; answers when it is ready.").Produces<ContextInfo>(201);
        group.MapGet("", (string id, SandboxRegistry registry, HttpContext http) => registry.Get(id, http.Owner()).Contexts)
            .WithName("ListContexts").WithSummary("The contexts of a sandbox; the first is the default one.");
        group.MapGet("/{contextId}", (string id, string contextId, SandboxRegistry registry, HttpContext http) => registry.Get(id, http.Owner()).GetContext(contextId))
            .WithName("GetContext").WithSummary("One context.");
        group.MapDelete("/{contextId}", RemoveAsync).WithName("RemoveContext").WithSummary("Ends a context's kernel and forgets the context; its executions can still be read. Not the default one.");
        group.MapPost("/{contextId}/restart", RestartAsync).WithName("RestartContext").WithSummary("Replaces the kernel of a context; files stay, variables go.");
    }

    private static async Task<IResult> CreateAsync(string id, CreateContextRequest? request, SandboxRegistry registry, HttpContext http)
    {
        var context = await registry.Get(id, http.Owner()).CreateContextAsync(request ?? new CreateContextRequest(), http.RequestAborted);
        return TypedResults.Created($"/api/v1/sandboxes/{id}/contexts/{context.Id}", context);
    }

    private static async Task<IResult> RemoveAsync(string id, string contextId, SandboxRegistry registry, HttpContext http)
    {
        await registry.Get(id, http.Owner()).RemoveContextAsync(contextId, http.RequestAborted);
        return TypedResults.NoContent();
    }

    private static async Task<ContextInfo> RestartAsync(string id, string contextId, SandboxRegistry registry, HttpContext http)
    {
        var sandbox = registry.Get(id, http.Owner());
        await sandbox.RestartAsync(contextId, http.RequestAborted);
        return sandbox.GetContext(contextId);
    }
}
