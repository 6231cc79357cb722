using System.Text.Json;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Sandboxes;
using KernelGateway.Server.Security;

namespace KernelGateway.Server.Api;

/// <summary>A context's variables, and help with code. With wait=false a busy kernel is a conflict; otherwise its turn is waited for.</summary>
internal static class VariableEndpoints
{
    public static void MapVariables(this RouteGroupBuilder api)
    {
        var group = api.MapGroup("/sandboxes/{id}").WithTags("Variables");
        group.MapGet("/variables", (string id, string? contextId, bool? wait, SandboxRegistry registry, HttpContext http) =>
                registry.Get(id, http.Owner()).ListVariablesAsync(contextId, wait ?? true, http.RequestAborted))
            .WithName("ListVariables").WithSummary("The variables of a context, without their values.");
        group.MapGet("/variables/{name}", (string id, string name, string? contextId, bool? wait, SandboxRegistry registry, HttpContext http) =>
                registry.Get(id, http.Owner()).GetVariableAsync(name, contextId, wait ?? true, http.RequestAborted))
            .WithName("GetVariable").WithSummary("The value of a variable: as JSON where that holds all of it, else as a MIME bundle.");
        group.MapPut("/variables", SetAsync).WithName("SetVariables").WithSummary("Sets variables by name to JSON values, all of them or none.");
        group.MapPost("/complete", (string id, CompleteRequest request, SandboxRegistry registry, HttpContext http) =>
                registry.Get(id, http.Owner()).CompleteAsync(request, http.RequestAborted))
            .WithName("Complete").WithSummary("What could stand at a place in code.");
        group.MapPost("/inspect", (string id, InspectRequest request, SandboxRegistry registry, HttpContext http) =>
                registry.Get(id, http.Owner()).InspectAsync(request, http.RequestAborted))
            .WithName("Inspect").WithSummary("What a name in code is.");
    }

    private static async Task<IResult> SetAsync(string id, Dictionary<string, JsonElement> values, string? contextId, bool? wait, SandboxRegistry registry, HttpContext http)
    {
        await registry.Get(id, http.Owner()).SetVariablesAsync(values, contextId, wait ?? true, http.RequestAborted);
        return TypedResults.NoContent();
    }
}
