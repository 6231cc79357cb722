using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Contracts.Snapshots;

namespace KernelGateway.Server.Tests.Support;

/// <summary>Calls on snapshots.</summary>
internal static class SnapshotCalls
{
    public static string NewName() => $"snap-{Guid.NewGuid():N}";

    public static async Task<SnapshotInfo> SnapshotAsync(this LiveGateway gateway, string sandboxId, object? request = null)
    {
        using var answer = await gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandboxId}/snapshots", request ?? new { name = NewName() });
        answer.StatusCode.Should().Be(HttpStatusCode.Created, await answer.Content.ReadAsStringAsync());
        return (await answer.Content.ReadFromJsonAsync<SnapshotInfo>())!;
    }

    public static async Task<SnapshotManifest> ManifestAsync(this LiveGateway gateway, string snapshotId) =>
        (await gateway.Http.GetFromJsonAsync<SnapshotManifest>($"/api/v1/snapshots/{snapshotId}/manifest"))!;

    public static async Task<ForkResult> ForkAsync(this LiveGateway gateway, string sandboxId, object request)
    {
        using var answer = await gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandboxId}/fork", request);
        answer.StatusCode.Should().Be(HttpStatusCode.OK, await answer.Content.ReadAsStringAsync());
        return (await answer.Content.ReadFromJsonAsync<ForkResult>())!;
    }

    /// <summary>What an expression is in a sandbox, as its text.</summary>
    public static async Task<string> ValueAsync(this LiveGateway gateway, string sandboxId, string code)
    {
        var run = await gateway.RunAsync(sandboxId, code);
        run.Result!.Error.Should().BeNull($"of {code}, but it raised {run.Result.Error?.Name}: {run.Result.Error?.Value}");
        return run.Result.Results.Count > 0 ? run.Result.Results[^1].Data["text/plain"].GetString()! : run.Result.Stdout ?? "";
    }

    /// <summary>A call that must be refused.</summary>
    public static async Task<JsonElement> RefusedAsync(this Task<HttpResponseMessage> call, int status, string code)
    {
        using var answer = await call;
        var text = await answer.Content.ReadAsStringAsync();
        ((int)answer.StatusCode).Should().Be(status, text);
        var problem = JsonDocument.Parse(text).RootElement.Clone();
        problem.GetProperty("code").GetString().Should().Be(code, text);
        return problem;
    }

    public static Task<HttpResponseMessage> TrySnapshotAsync(this LiveGateway gateway, string sandboxId, object? request = null) =>
        gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandboxId}/snapshots", request ?? new { name = NewName() });

    public static Task<HttpResponseMessage> TryCreateAsync(this LiveGateway gateway, CreateSandboxRequest request) =>
        gateway.Http.PostAsJsonAsync("/api/v1/sandboxes", request);
}
