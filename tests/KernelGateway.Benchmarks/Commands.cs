using System.Diagnostics;
using System.Net.Http.Json;
using KernelGateway.Client;

namespace KernelGateway.Benchmarks;

/// <summary><c>true</c> in a sandbox, against a bare fork and exec of the same on the host.</summary>
internal static class Commands
{
    private const int WarmUp = 10;

    public static async Task CompareAsync(GatewayProcess gateway, int count, Report report)
    {
        await using var sdk = gateway.Client();
        using var http = gateway.Http();
        await using var sandbox = await Sandbox.CreateAsync(sdk);
        Samples bare = new(), rest = new(), hub = new();
        for (var i = -WarmUp; i < count; i++)
        {
            var ofBare = await RoundTrips.TimeAsync(ForkAsync);
            var ofRest = await RoundTrips.TimeAsync(() => PostAsync(http, sandbox.Id));
            var ofSdk = await RoundTrips.TimeAsync(() => sandbox.Commands.RunAsync("true"));
            if (i >= 0)
            {
                bare.Add(ofBare);
                rest.Add(ofRest);
                hub.Add(ofSdk);
            }
        }

        report.Compare("true: REST ?wait=true, bare bash on the host", rest, bare);
        report.Compare("true: SDK, bare bash on the host", hub, bare);
    }

    private static async Task ForkAsync()
    {
        using var process = Process.Start(new ProcessStartInfo("/bin/bash", ["-c", "true"]))!;
        await process.WaitForExitAsync();
    }

    private static async Task PostAsync(HttpClient http, string sandboxId)
    {
        using var answer = await http.PostAsJsonAsync($"/api/v1/sandboxes/{sandboxId}/commands?wait=true", new { command = "true" });
        await answer.EnsureSuccessStatusCode().Content.ReadAsStringAsync();
    }
}
