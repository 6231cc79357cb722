using KernelGateway.Contracts.Environments;
using KernelGateway.Contracts.Executions;
using KernelGateway.Contracts.Sandboxes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace KernelGateway.Client.Tests.Gateway;

internal static class FakeRoutes
{
    public static void Map(IEndpointRouteBuilder app, FakeState state)
    {
        var api = app.MapGroup("/api/v1");
        api.MapGet("/environments", () => new EnvironmentList([new EnvironmentInfo("python-cpu-env", "Python", "python", ["python3"], [])]));
        api.MapPost("/sandboxes", (CreateSandboxRequest request, HttpContext http) => Results.Created("", state.Create(request, KeyOf(http)).Info));
        api.MapGet("/sandboxes", (string? variant, string? state_, string? cursor, int? limit, string[] tag) => List(state, variant, cursor, limit, tag));
        api.MapGet("/sandboxes/{id}", (string id) => With(state, id, sandbox => Results.Ok(sandbox.Info)));
        api.MapDelete("/sandboxes/{id}", (string id) => With(state, id, sandbox =>
        {
            sandbox.Terminate();
            return Results.NoContent();
        }));
        api.MapPost("/sandboxes/{id}/restart", (string id, RestartRequest? request) => With(state, id, sandbox =>
        {
            sandbox.Restart();
            return Results.Ok(sandbox.Info);
        }));
        api.MapGet("/sandboxes/{id}/network", (string id) => With(state, id, sandbox => Results.Ok(NetworkOf(sandbox))));
        api.MapPut("/sandboxes/{id}/network", (string id, SetNetworkRequest request) => With(state, id, sandbox =>
        {
            sandbox.Network = request;
            return Results.Ok(NetworkOf(sandbox));
        }));
        var runs = api.MapGroup("/sandboxes/{id}/executions");
        runs.MapGet("", (string id) => With(state, id, sandbox => Results.Ok(sandbox.Runs.Reverse().Select(run => run.Info).ToList())));
        runs.MapPost("", (string id, RunCodeRequest request, HttpContext http) => With(state, id, sandbox =>
            request.Code.Length == 0
                ? Problem(400, "invalid_argument", "The code is empty.", "code")
                : Results.Accepted("", sandbox.Run(request, KeyOf(http), state.Script).Info)));
        runs.MapGet("/{run}", (string id, string run) => WithRun(state, id, run, found => Results.Ok(found.Info)));
        runs.MapPost("/{run}/interrupt", (string id, string run) => WithRun(state, id, run, found =>
        {
            found.Interrupt();
            return Results.NoContent();
        }));
        runs.MapPost("/{run}/input", (string id, string run, ReplyInputRequest reply) => WithRun(state, id, run, found =>
            found.Answer(reply.Value) ? Results.NoContent() : Problem(409, "conflict", "The run does not wait for input.")));
    }

    public static IResult Problem(int status, string code, string detail, string? field = null) =>
        Results.Problem(detail, statusCode: status, extensions: new Dictionary<string, object?> { ["code"] = code, ["field"] = field });

    private static NetworkInfo NetworkOf(FakeSandbox sandbox) => new()
    {
        NetworkPolicy = sandbox.Info.NetworkPolicy,
        AllowedHosts = sandbox.Info.AllowedHosts,
        DeniedHosts = sandbox.Info.DeniedHosts,
        OpenConnections = 1,
        Connections = 2,
        Denied = 3,
        DeniedWithoutEvent = 4,
        BytesSent = 5,
        BytesReceived = 6,
    };

    private static string? KeyOf(HttpContext http) => http.Request.Headers["Idempotency-Key"].FirstOrDefault();

    private static IResult List(FakeState state, string? variant, string? cursor, int? limit, string[] tags)
    {
        var matching = state.Sandboxes.Reverse()
            .Select(sandbox => sandbox.Info)
            .Where(info => variant is null || info.Variant == variant)
            .Where(info => tags.All(tag => info.Tags.Any(entry => $"{entry.Key}:{entry.Value}" == tag)))
            .ToList();
        var first = int.Parse(cursor ?? "0", System.Globalization.CultureInfo.InvariantCulture);
        var size = limit ?? 50;
        var next = first + size < matching.Count ? $"{first + size}" : null;
        return Results.Ok(new SandboxList([.. matching.Skip(first).Take(size)], next));
    }

    private static IResult With(FakeState state, string id, Func<FakeSandbox, IResult> answer) =>
        state.Find(id) is { } found ? answer(found) : Problem(404, "sandbox_not_found", "There is no sandbox of that id.");

    private static IResult WithRun(FakeState state, string id, string run, Func<FakeRun, IResult> answer) => With(state, id, sandbox =>
        sandbox.Runs.FirstOrDefault(made => made.Id == run) is { } found ? answer(found) : Problem(404, "execution_not_found", "There is no execution of that id."));
}
