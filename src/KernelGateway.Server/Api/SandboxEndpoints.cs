using KernelGateway.Contracts.Executions;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Sandboxes;
using KernelGateway.Server.Security;

namespace KernelGateway.Server.Api;

/// <summary>Creating, finding, restarting and ending sandboxes.</summary>
internal static class SandboxEndpoints
{
    private const int MaxPage = 200;

    public static void MapSandboxes(this RouteGroupBuilder api)
    {
        var group = api.MapGroup("/sandboxes").WithTags("Sandboxes");
        group.MapPost("", CreateAsync).WithName("CreateSandbox").WithSummary("Makes a sandbox; answers when its kernel is ready.").Produces<SandboxInfo>(201);
        group.MapGet("", List).WithName("ListSandboxes").WithSummary("The caller's sandboxes, newest first, ended ones included while they can be read.");
        group.MapGet("/{id}", (string id, SandboxRegistry registry, HttpContext http) => registry.Get(id, http.Owner()).Info)
            .WithName("GetSandbox").WithSummary("One sandbox.");
        group.MapPatch("/{id}", UpdateAsync).WithName("UpdateSandbox").WithSummary("Changes limits, times, name and tags of a running sandbox: all that is named, or nothing.")
            .Accepts<UpdateSandboxRequest>("application/json", "application/merge-patch+json");
        group.MapGet("/{id}/usage", (string id, SandboxRegistry registry, HttpContext http) => registry.ReadUsage(registry.Get(id, http.Owner())))
            .WithName("GetSandboxUsage").WithSummary("What a sandbox uses and has used, as the host counts it.");
        group.MapDelete("/{id}", TerminateAsync).WithName("TerminateSandbox").WithSummary("Ends a sandbox and all that runs in it, at once with graceSeconds=0; its events can be read for a while yet.");
        group.MapPost("/{id}/pause", PauseAsync).WithName("PauseSandbox").WithSummary("Stops everything in a sandbox where it stands, until it is resumed; its memory stays in use. Pausing a paused one changes nothing.");
        group.MapPost("/{id}/resume", ResumeAsync).WithName("ResumeSandbox").WithSummary("Lets a paused sandbox go on. Resuming one that runs changes nothing.");
        group.MapPost("/{id}/restart", RestartAsync).WithName("RestartKernel").WithSummary("Replaces the kernel of a context; files stay, variables go.");
    }

    private static async Task<IResult> CreateAsync(CreateSandboxRequest? request, SandboxRegistry registry, HttpContext http)
    {
        var sandbox = await registry.CreateAsync(request ?? new CreateSandboxRequest(), http.Owner(), http.IdempotencyKey(), http.RequestAborted);
        return TypedResults.Created($"/api/v1/sandboxes/{sandbox.Id}", sandbox.Info);
    }

    private static SandboxList List(SandboxRegistry registry, HttpContext http, string? variant, string? state, string[]? tag, int? limit, string? cursor)
    {
        var page = limit ?? 50;
        if (page is < 1 or > MaxPage)
        {
            throw new GatewayException(ErrorCode.InvalidArgument, $"'limit' must be between 1 and {MaxPage}, but is {page}.", "limit");
        }

        var found = registry.List(http.Owner()).Select(s => s.Info);
        if (variant is not null)
        {
            var name = VariantName.Normalize(variant);
            found = found.Where(s => s.Variant == name);
        }

        if (state is not null)
        {
            var wanted = ParseState(state);
            found = found.Where(s => s.State == wanted);
        }

        foreach (var (key, value) in (tag ?? []).Select(ParseTag))
        {
            found = found.Where(s => s.Tags.TryGetValue(key, out var has) && has == value);
        }

        if (cursor is not null)
        {
            var (time, id) = Page.ParseCursor(cursor);
            found = found.Where(s => s.CreatedAt < time || (s.CreatedAt == time && string.CompareOrdinal(s.Id, id) > 0));
        }

        var items = found.Take(page + 1).ToList();
        if (items.Count <= page)
        {
            return new SandboxList(items, null);
        }

        items.RemoveAt(page);
        return new SandboxList(items, Page.CursorOf(items[^1].CreatedAt, items[^1].Id));
    }

    private static async Task<SandboxInfo> UpdateAsync(string id, UpdateSandboxRequest request, SandboxRegistry registry, HttpContext http)
    {
        var sandbox = registry.Get(id, http.Owner());
        await registry.UpdateAsync(sandbox, request, http.RequestAborted);
        return sandbox.Info;
    }

    private static async Task<IResult> TerminateAsync(string id, SandboxRegistry registry, HttpContext http, double? graceSeconds)
    {
        if (graceSeconds is { } grace && !(grace is >= 0 and <= 60))
        {
            throw new GatewayException(ErrorCode.InvalidArgument, "'graceSeconds' must be between 0 and 60.", "graceSeconds");
        }

        await registry.TerminateAsync(registry.Get(id, http.Owner()), graceSeconds is { } s ? TimeSpan.FromSeconds(s) : null);
        return TypedResults.NoContent();
    }

    private static async Task<SandboxInfo> PauseAsync(string id, PauseRequest? request, SandboxRegistry registry, HttpContext http)
    {
        var sandbox = registry.Get(id, http.Owner());
        await registry.PauseAsync(sandbox, request, http.RequestAborted);
        return sandbox.Info;
    }

    private static async Task<SandboxInfo> ResumeAsync(string id, SandboxRegistry registry, HttpContext http)
    {
        var sandbox = registry.Get(id, http.Owner());
        await sandbox.ResumeAsync(http.RequestAborted);
        return sandbox.Info;
    }

    private static async Task<SandboxInfo> RestartAsync(string id, RestartRequest? request, SandboxRegistry registry, HttpContext http)
    {
        var sandbox = registry.Get(id, http.Owner());
        await sandbox.RestartAsync(request?.ContextId, http.RequestAborted);
        return sandbox.Info;
    }

    private static SandboxState ParseState(string state) =>
        Enum.TryParse<SandboxState>(state, ignoreCase: true, out var parsed) && Enum.IsDefined(parsed) && !char.IsAsciiDigit(state[0])
            ? parsed
            : throw new GatewayException(ErrorCode.InvalidArgument, $"'state' must be one of {string.Join(", ", Enum.GetNames<SandboxState>().Select(n => n.ToLowerInvariant()))}.", "state");

    private static (string Key, string Value) ParseTag(string tag) =>
        tag.IndexOf(':', StringComparison.Ordinal) is > 0 and var colon
            ? (tag[..colon], tag[(colon + 1)..])
            : throw new GatewayException(ErrorCode.InvalidArgument, "'tag' must look like key:value.", "tag");
}
