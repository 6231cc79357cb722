using KernelGateway.Contracts.Snapshots;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Sandboxes;
using KernelGateway.Core.Snapshots;
using KernelGateway.Server.Security;
using Microsoft.AspNetCore.Http.HttpResults;

namespace KernelGateway.Server.Api;

/// <summary>Snapshots of sandboxes. A sandbox is made from one by POST /sandboxes with snapshotName or snapshotId.</summary>
internal static class SnapshotEndpoints
{
    private const int MaxPage = 200;

    public static void MapSnapshots(this RouteGroupBuilder api)
    {
        var ofSandbox = api.MapGroup("/sandboxes/{id}").WithTags("Snapshots");
        ofSandbox.MapPost("/snapshots", CreateAsync).WithName("CreateSnapshot").WithSummary("Keeps the files and variables of a sandbox as they are now; answers when they are on the disk.").Produces<SnapshotInfo>(201);
        ofSandbox.MapPost("/fork", ForkAsync).WithName("ForkSandbox").WithSummary("Makes sandboxes that have what this one has now; each child is a sandbox or an error.");
        var group = api.MapGroup("/snapshots").WithTags("Snapshots");
        group.MapGet("", List).WithName("ListSnapshots").WithSummary("The caller's snapshots, newest first.");
        group.MapGet("/{snapshotId}", (string snapshotId, SnapshotCatalog catalog, HttpContext http) => catalog.Get(snapshotId, http.Owner()).Info)
            .WithName("GetSnapshot").WithSummary("One snapshot.");
        group.MapGet("/{snapshotId}/manifest", (string snapshotId, SnapshotCatalog catalog, HttpContext http) => catalog.ReadManifest(snapshotId, http.Owner()))
            .WithName("GetSnapshotManifest").WithSummary("What is in a snapshot, and what is not and why.");
        group.MapGet("/{snapshotId}/compare/{otherId}", (string snapshotId, string otherId, SnapshotCatalog catalog, HttpContext http) =>
                SnapshotComparer.Compare(catalog.ReadManifest(snapshotId, http.Owner()), catalog.ReadManifest(otherId, http.Owner())))
            .WithName("CompareSnapshots").WithSummary("What the second snapshot has otherwise than the first: files and variables.");
        group.MapPatch("/{snapshotId}", (string snapshotId, UpdateSnapshotRequest request, SnapshotCatalog catalog, HttpContext http) => catalog.Update(snapshotId, http.Owner(), request))
            .WithName("UpdateSnapshot").WithSummary("Changes name and description.").Accepts<UpdateSnapshotRequest>("application/json", "application/merge-patch+json");
        group.MapDelete("/{snapshotId}", Remove).WithName("DeleteSnapshot").WithSummary("Removes a snapshot; sandboxes made from it stay.");
    }

    /// <summary>The children of a fork as the API has them.</summary>
    public static ForkResult Describe(IReadOnlyList<ForkedSandbox> children) => new(
        [.. children.Select(child => child.Error is { } error ? new ForkChild(null, Errors.Of(error.Code).Code, error.Message) : new ForkChild(child.Sandbox!.Info))]);

    private static async Task<IResult> CreateAsync(string id, CreateSnapshotRequest request, SandboxRegistry registry, HttpContext http)
    {
        var snapshot = await registry.SnapshotAsync(registry.Get(id, http.Owner()), request, http.RequestAborted);
        return TypedResults.Created($"/api/v1/snapshots/{snapshot.Id}", snapshot);
    }

    private static async Task<ForkResult> ForkAsync(string id, ForkRequest? request, SandboxRegistry registry, HttpContext http) =>
        Describe(await registry.ForkAsync(registry.Get(id, http.Owner()), request ?? new ForkRequest(), http.RequestAborted));

    private static SnapshotList List(SnapshotCatalog catalog, HttpContext http, string? name, string? sandboxId, int? limit, string? cursor)
    {
        var page = limit ?? 50;
        if (page is < 1 or > MaxPage)
        {
            throw new GatewayException(ErrorCode.InvalidArgument, $"'limit' must be between 1 and {MaxPage}, but is {page}.", "limit");
        }

        IEnumerable<SnapshotInfo> found = catalog.List(http.Owner()).Where(s => (name is null || s.Name == name) && (sandboxId is null || s.SandboxId == sandboxId));
        if (cursor is not null)
        {
            var (time, id) = Page.ParseCursor(cursor);
            found = found.Where(s => s.CreatedAt < time || (s.CreatedAt == time && string.CompareOrdinal(s.Id, id) > 0));
        }

        var items = found.Take(page + 1).ToList();
        if (items.Count <= page)
        {
            return new SnapshotList(items, null);
        }

        items.RemoveAt(page);
        return new SnapshotList(items, Page.CursorOf(items[^1].CreatedAt, items[^1].Id));
    }

    private static NoContent Remove(string snapshotId, SnapshotCatalog catalog, HttpContext http)
    {
        catalog.Remove(snapshotId, http.Owner());
        return TypedResults.NoContent();
    }
}
