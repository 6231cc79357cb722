using KernelGateway.Contracts.Commands;
using KernelGateway.Core.Commands;
using KernelGateway.Core.Packages;
using KernelGateway.Core.Sandboxes;
using KernelGateway.Server.Security;

namespace KernelGateway.Server.Api;

/// <summary>Running commands and what belongs to one.</summary>
internal static class CommandEndpoints
{
    public static void MapCommands(this RouteGroupBuilder api)
    {
        var group = api.MapGroup("/sandboxes/{id}/commands").WithTags("Commands");
        group.MapPost("", StartAsync).WithName("StartCommand").WithSummary("Runs a command beside the code; answers when it runs, or with wait=true when it has ended. A caller that goes away does not stop it.")
            .Produces<CommandInfo>().Produces<CommandInfo>(202);
        group.MapGet("", (string id, int? limit, SandboxRegistry registry, HttpContext http) =>
                registry.Get(id, http.Owner()).ListCommands(Page.Limit(limit)).Select(c => c.Info).ToList())
            .WithName("ListCommands").WithSummary("The commands that are remembered, newest first.");
        group.MapGet("/{commandId}", GetAsync).WithName("GetCommand").WithSummary("One command; with its output once it has ended.").Produces<CommandInfo>();
        group.MapPost("/{commandId}/stdin", WriteAsync).WithName("WriteCommandInput").WithSummary("Writes to the standard input of a command, or closes it.");
        group.MapPost("/{commandId}/signal", SignalAsync).WithName("SignalCommand").WithSummary("Sends a signal to the process group of a command.");
        group.MapPost("/{commandId}/kill", KillAsync).WithName("KillCommand").WithSummary("Ends a command and all it has started, at once.");
        group.MapPost("/{commandId}/resize", ResizeAsync).WithName("ResizeCommand").WithSummary("Changes the size of a command's terminal.");
        api.MapPost("/sandboxes/{id}/packages", InstallPackagesAsync).WithTags("Commands").WithName("InstallPackages")
            .WithSummary("Installs Python packages that the gateway allows, with pip in the sandbox, as a command; answers when it runs, or with wait=true when it has ended.")
            .Produces<CommandInfo>().Produces<CommandInfo>(202);
        api.MapPost("/sandboxes/{id}/system-packages", InstallSystemPackagesAsync).WithTags("Commands").WithName("InstallSystemPackages")
            .WithSummary("Installs packages of the system with its package manager, as a command, where the variant lets a sandbox change it; otherwise says why not, and the way out.")
            .Produces<CommandInfo>().Produces<CommandInfo>(202);
    }

    private static async Task<IResult> StartAsync(string id, StartCommandRequest request, bool? wait, SandboxRegistry registry, HttpContext http)
    {
        var sandbox = registry.Get(id, http.Owner());
        return await AnswerAsync(sandbox, await sandbox.StartCommandAsync(http.IdempotencyKey() is { } key ? request with { IdempotencyKey = key } : request), wait, http);
    }

    private static async Task<IResult> InstallPackagesAsync(string id, InstallPackagesRequest request, bool? wait, SandboxRegistry registry, PackageInstaller packages, HttpContext http)
    {
        var sandbox = registry.Get(id, http.Owner());
        return await AnswerAsync(sandbox, await packages.InstallAsync(sandbox, http.IdempotencyKey() is { } key ? request with { IdempotencyKey = key } : request), wait, http);
    }

    private static async Task<IResult> InstallSystemPackagesAsync(string id, InstallSystemPackagesRequest request, bool? wait, SandboxRegistry registry, PackageInstaller packages, HttpContext http)
    {
        var sandbox = registry.Get(id, http.Owner());
        return await AnswerAsync(sandbox, await packages.InstallSystemAsync(sandbox, http.IdempotencyKey() is { } key ? request with { IdempotencyKey = key } : request), wait, http);
    }

    private static async Task<IResult> AnswerAsync(Sandbox sandbox, Command command, bool? wait, HttpContext http)
    {
        var location = $"/api/v1/sandboxes/{sandbox.Id}/commands/{command.Id}";
        if (wait is not true)
        {
            return TypedResults.Accepted(location, command.Info);
        }

        http.Response.Headers.Location = location;
        return TypedResults.Ok(await WaitAsync(sandbox, command, http.RequestAborted));
    }

    private static async Task<IResult> GetAsync(string id, string commandId, bool? wait, SandboxRegistry registry, HttpContext http)
    {
        var sandbox = registry.Get(id, http.Owner());
        var command = sandbox.GetCommand(commandId);
        return TypedResults.Ok(wait is true || command.Finished.IsCompleted ? await WaitAsync(sandbox, command, http.RequestAborted) : command.Info);
    }

    private static async Task<IResult> WriteAsync(string id, string commandId, CommandInputRequest request, SandboxRegistry registry, HttpContext http)
    {
        await registry.Get(id, http.Owner()).WriteCommandAsync(commandId, request, http.RequestAborted);
        return TypedResults.NoContent();
    }

    private static async Task<IResult> SignalAsync(string id, string commandId, SignalCommandRequest request, SandboxRegistry registry, HttpContext http)
    {
        await registry.Get(id, http.Owner()).SignalCommandAsync(commandId, request.Signal, http.RequestAborted);
        return TypedResults.NoContent();
    }

    private static async Task<IResult> KillAsync(string id, string commandId, SandboxRegistry registry, HttpContext http)
    {
        await registry.Get(id, http.Owner()).KillCommandAsync(commandId, http.RequestAborted);
        return TypedResults.NoContent();
    }

    private static async Task<IResult> ResizeAsync(string id, string commandId, PtySize request, SandboxRegistry registry, HttpContext http)
    {
        await registry.Get(id, http.Owner()).ResizeCommandAsync(commandId, request, http.RequestAborted);
        return TypedResults.NoContent();
    }

    private static async Task<CommandInfo> WaitAsync(Sandbox sandbox, Command command, CancellationToken cancellationToken)
    {
        using var lease = sandbox.Lease();
        await command.Finished.WaitAsync(cancellationToken);
        return command.Info with { Result = await sandbox.GetResultAsync(command, cancellationToken) };
    }
}
