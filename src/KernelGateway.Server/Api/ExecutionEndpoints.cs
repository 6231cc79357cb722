using KernelGateway.Contracts.Executions;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Executions;
using KernelGateway.Core.Sandboxes;
using KernelGateway.Server.Security;

namespace KernelGateway.Server.Api;

/// <summary>Running code and what belongs to a run.</summary>
internal static class ExecutionEndpoints
{
    public static void MapExecutions(this RouteGroupBuilder api)
    {
        var group = api.MapGroup("/sandboxes/{id}/executions").WithTags("Executions");
        group.MapPost("", RunAsync).WithName("RunCode").WithSummary("Runs code; answers at once with the id, or with wait=true when it has ended. A caller that goes away does not stop it.")
            .Produces<ExecutionInfo>().Produces<ExecutionInfo>(202);
        group.MapGet("", (string id, int? limit, SandboxRegistry registry, HttpContext http) =>
                registry.Get(id, http.Owner()).ListExecutions(Page.Limit(limit)).Select(e => e.Info).ToList())
            .WithName("ListExecutions").WithSummary("The executions that are remembered, newest first.");
        group.MapGet("/{executionId}", GetAsync).WithName("GetExecution").WithSummary("One execution; with its output once it has ended.").Produces<ExecutionInfo>();
        group.MapPost("/{executionId}/interrupt", InterruptAsync).WithName("InterruptExecution").WithSummary("Stops a run; the kernel and its variables stay. With escalate, more and more force follows until the run has ended.");
        group.MapPost("/{executionId}/input", ReplyInputAsync).WithName("ReplyInput").WithSummary("Answers the input() that a run waits in.");
    }

    private static async Task<IResult> RunAsync(string id, RunCodeRequest request, bool? wait, SandboxRegistry registry, HttpContext http)
    {
        var sandbox = registry.Get(id, http.Owner());
        var execution = await sandbox.RunCodeAsync(http.IdempotencyKey() is { } key ? request with { IdempotencyKey = key } : request, http.RequestAborted);
        var location = $"/api/v1/sandboxes/{id}/executions/{execution.Id}";
        if (wait is not true)
        {
            return TypedResults.Accepted(location, execution.Info);
        }

        http.Response.Headers.Location = location;
        return TypedResults.Ok(await WaitAsync(sandbox, execution, http.RequestAborted));
    }

    private static async Task<IResult> GetAsync(string id, string executionId, bool? wait, SandboxRegistry registry, HttpContext http)
    {
        var sandbox = registry.Get(id, http.Owner());
        var execution = sandbox.GetExecution(executionId);
        return wait is true || execution.Finished.IsCompleted
            ? TypedResults.Ok(await WaitAsync(sandbox, execution, http.RequestAborted))
            : TypedResults.Ok(execution.Info);
    }

    private static async Task<IResult> InterruptAsync(string id, string executionId, bool? force, InterruptRequest? request, SandboxRegistry registry, HttpContext http)
    {
        await registry.Get(id, http.Owner()).InterruptAsync(executionId, http.User.Describe(), force is true || request is { Escalate: true }, http.RequestAborted);
        return TypedResults.NoContent();
    }

    private static async Task<IResult> ReplyInputAsync(string id, string executionId, ReplyInputRequest request, SandboxRegistry registry, HttpContext http)
    {
        if (request.Value is null)
        {
            throw new GatewayException(ErrorCode.InvalidArgument, "'value' is missing.", "value");
        }

        await registry.Get(id, http.Owner()).ReplyInputAsync(executionId, request.Value, http.RequestAborted);
        return TypedResults.NoContent();
    }

    private static async Task<ExecutionInfo> WaitAsync(Sandbox sandbox, Execution execution, CancellationToken cancellationToken)
    {
        using var lease = sandbox.Lease();
        await execution.Finished.WaitAsync(cancellationToken);
        return execution.Info with { Result = await sandbox.GetResultAsync(execution, cancellationToken) };
    }
}
