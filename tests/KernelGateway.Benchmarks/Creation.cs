using System.Net.Http.Json;
using KernelGateway.Contracts.Sandboxes;

namespace KernelGateway.Benchmarks;

/// <summary>From nothing to the first result.</summary>
internal static class Creation
{
    public static async Task CompareAsync(RawClient raw, GatewayProcess gateway, int rounds, Report report)
    {
        using var http = gateway.Http();
        Samples ours = new(), bare = new(), waiting = new(), launcher = new();
        for (var round = -1; round < rounds; round++)
        {
            var theirs = await raw.FirstResultAsync(KernelKind.Plain, waitForReady: false);
            var our = await CreateAsync(http);
            var theirsWaiting = await raw.FirstResultAsync(KernelKind.Plain, waitForReady: true);
            var ofLauncher = await raw.FirstResultAsync(KernelKind.Launcher, waitForReady: false);
            if (round >= 0)
            {
                ours.Add(our);
                bare.Add(theirs);
                waiting.Add(theirsWaiting);
                launcher.Add(ofLauncher);
            }
        }

        report.Compare("create to first result: local, bare ipykernel", ours, bare, 1.1);
        report.Compare("  the same, bare with wait_for_ready", ours, waiting);
        report.Compare("  the same, launched kernel without a sandbox", ours, launcher);
    }

    private static async Task<double> CreateAsync(HttpClient http)
    {
        string? id = null;
        var seconds = await RoundTrips.TimeAsync(async () =>
        {
            using var response = await http.PostAsJsonAsync("/api/v1/sandboxes", new { });
            id = (await response.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<SandboxInfo>())!.Id;
            await RoundTrips.PostAsync(http, id, "1");
        });
        using var _ = await http.DeleteAsync($"/api/v1/sandboxes/{id}?graceSeconds=0");
        return seconds;
    }
}
