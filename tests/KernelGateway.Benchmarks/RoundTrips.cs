using System.Diagnostics;
using System.Net.Http.Json;
using KernelGateway.Client;
using KernelGateway.Contracts.Executions;
using KernelGateway.Jupyter;

namespace KernelGateway.Benchmarks;

/// <summary>One <c>pass</c>, from the request until the reply and the idle status are there.</summary>
internal static class RoundTrips
{
    private const string Code = "pass";
    private const int BlockSize = 25;

    // A gateway lives for weeks; its first seconds, while code is still being compiled, are another question.
    private const int WarmUp = 200;

    /// <summary>KernelClient against jupyter_client. Each block swaps their kernels: two processes of one program are not equally fast.</summary>
    public static async Task CompareClientsAsync(RawClient raw, KernelKind kind, int count, Report report)
    {
        RawKernel[] kernels = [await raw.StartAsync(kind), await raw.StartAsync(kind)];
        Samples ours = new(), theirs = new();
        for (var block = 0; block < Math.Max(2, count / BlockSize); block++)
        {
            var mine = kernels[block % 2];
            var other = kernels[1 - (block % 2)];
            await raw.ConnectAsync(other);
            await using var client = await KernelClient.ConnectAsync(await ConnectionFile.ReadAsync(mine.ConnectionFile));
            await client.WaitForReadyAsync(TimeSpan.FromSeconds(60));
            for (var i = -2; i < BlockSize; i++)
            {
                var (their, _) = await raw.RunAsync(other, Code);
                var our = await TimeAsync(() => ExecuteAsync(client));
                if (i >= 0)
                {
                    theirs.Add(their);
                    ours.Add(our);
                }
            }

            await raw.DisconnectAsync(other);
        }

        report.Compare($"pass: KernelClient, {(kind == KernelKind.Launcher ? "launched" : "plain")} kernel", ours, theirs, 1.1);
    }

    /// <summary>The gateway's hub and REST against jupyter_client with the same kind of kernel.</summary>
    public static async Task CompareGatewayAsync(RawClient raw, GatewayProcess gateway, int count, Report report)
    {
        var kernel = await raw.StartAsync(KernelKind.Launcher);
        await raw.ConnectAsync(kernel);
        await using var sdk = gateway.Client();
        using var http = gateway.Http();
        await using var overHub = await Sandbox.CreateAsync(sdk);
        await using var overRest = await Sandbox.CreateAsync(sdk);
        Samples theirs = new(), hub = new(), rest = new();
        for (var i = -WarmUp; i < count; i++)
        {
            var (their, _) = await raw.RunAsync(kernel, Code);
            var ofHub = await TimeAsync(() => overHub.RunCodeAsync(Code));
            var ofRest = await TimeAsync(() => PostAsync(http, overRest.Id, Code));
            if (i >= 0)
            {
                theirs.Add(their);
                hub.Add(ofHub);
                rest.Add(ofRest);
            }
        }

        await raw.DisconnectAsync(kernel);
        report.Compare("pass: SDK over hub, local", hub, theirs, 1.3);
        report.Compare("pass: REST ?wait=true, local", rest, theirs);
    }

    /// <summary>Runs code over REST and waits for its end.</summary>
    public static async Task PostAsync(HttpClient http, string sandboxId, string code)
    {
        using var response = await http.PostAsJsonAsync($"/api/v1/sandboxes/{sandboxId}/executions?wait=true", new { code });
        var info = await response.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<ExecutionInfo>();
        if (info?.Status != ExecutionStatus.Ok)
        {
            throw new InvalidOperationException($"The run ended as {info?.Status}.");
        }
    }

    public static async Task<double> TimeAsync(Func<Task> work)
    {
        var begun = Stopwatch.GetTimestamp();
        await work();
        return Stopwatch.GetElapsedTime(begun).TotalSeconds;
    }

    private static async Task ExecuteAsync(KernelClient client)
    {
        using var execution = await client.ExecuteAsync(new ExecuteRequest(Code));
        await foreach (var _ in execution.Outputs())
        {
            // Raw reads them as well.
        }

        await execution.Completion;
    }
}
