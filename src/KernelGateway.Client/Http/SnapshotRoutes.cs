using System.Globalization;
using KernelGateway.Contracts.Snapshots;

namespace KernelGateway.Client.Http;

/// <summary>The gateway's routes of snapshots.</summary>
internal static class SnapshotRoutes
{
    private const string Root = "api/v1/snapshots";

    public static Task<SnapshotInfo> CreateSnapshotAsync(this GatewayHttp http, string id, CreateSnapshotRequest request, TimeSpan within, CancellationToken ct) =>
        http.PostAsync<SnapshotInfo>($"{SandboxRoutes.Of(id)}/snapshots", request, Repeat.WhenNotSent, within, ct);

    public static Task<ForkResult> ForkAsync(this GatewayHttp http, string id, ForkRequest request, TimeSpan within, CancellationToken ct) =>
        http.PostAsync<ForkResult>($"{SandboxRoutes.Of(id)}/fork", request, Repeat.WhenNotSent, within, ct);

    public static Task<SnapshotList> ListSnapshotsAsync(this GatewayHttp http, SnapshotFilter filter, string? cursor, CancellationToken ct)
    {
        var query = new[]
        {
            ("name", filter.Name),
            ("sandboxId", filter.SandboxId),
            ("limit", filter.PageSize?.ToString(CultureInfo.InvariantCulture)),
            ("cursor", cursor),
        };
        return http.GetAsync<SnapshotList>($"{Root}?{string.Join('&', query.Where(q => q.Item2 is not null).Select(q => $"{q.Item1}={Uri.EscapeDataString(q.Item2!)}"))}", ct);
    }

    public static Task<SnapshotManifest> GetManifestAsync(this GatewayHttp http, string snapshotId, CancellationToken ct) =>
        http.GetAsync<SnapshotManifest>($"{Of(snapshotId)}/manifest", ct);

    public static Task<SnapshotComparison> CompareSnapshotsAsync(this GatewayHttp http, string snapshotId, string otherId, CancellationToken ct) =>
        http.GetAsync<SnapshotComparison>($"{Of(snapshotId)}/compare/{SandboxRoutes.Segment(otherId)}", ct);

    public static Task<SnapshotInfo> UpdateSnapshotAsync(this GatewayHttp http, string snapshotId, UpdateSnapshotRequest request, CancellationToken ct) =>
        http.PatchAsync<SnapshotInfo>(Of(snapshotId), request, Repeat.Always, ct);

    public static Task DeleteSnapshotAsync(this GatewayHttp http, string snapshotId, CancellationToken ct) =>
        http.SendAsync(HttpMethod.Delete, Of(snapshotId), null, Repeat.WhenNotSent, ct);

    private static string Of(string snapshotId) => $"{Root}/{SandboxRoutes.Segment(snapshotId)}";
}
