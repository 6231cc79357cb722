using System.Globalization;
using KernelGateway.Client;

namespace KernelGateway.Benchmarks;

/// <summary>What an idle sandbox costs the gateway.</summary>
internal static class Memory
{
    private const int Sandboxes = 10;
    private static readonly TimeSpan Settling = TimeSpan.FromSeconds(3);

    public static async Task MeasureAsync(Report report)
    {
        await using var gateway = await GatewayProcess.StartNewAsync();
        await using var sdk = gateway.Client();

        // The first ones pay for what is compiled and loaded once.
        await AddAsync(sdk, 3, "pass", end: true);
        var without = await SettledAsync(gateway);
        var sandboxes = await AddAsync(sdk, Sandboxes, "pass", end: false);
        var with = await SettledAsync(gateway);
        foreach (var sandbox in sandboxes)
        {
            await sandbox.TerminateAsync(TimeSpan.Zero);
        }

        report.State(
            $"gateway memory per idle sandbox ({Sandboxes} against none)",
            string.Create(CultureInfo.InvariantCulture, $"{(with - without) / 1024.0 / Sandboxes:F0} KiB ({without / 1048576.0:F1} → {with / 1048576.0:F1} MiB resident)"));
    }

    private static async Task<List<Sandbox>> AddAsync(KernelGatewayClient sdk, int count, string code, bool end)
    {
        var made = new List<Sandbox>();
        for (var i = 0; i < count; i++)
        {
            var sandbox = await Sandbox.CreateAsync(sdk);
            await sandbox.RunCodeAsync(code);
            made.Add(sandbox);
        }

        foreach (var sandbox in end ? made : [])
        {
            await sandbox.TerminateAsync(TimeSpan.Zero);
        }

        return made;
    }

    private static async Task<long> SettledAsync(GatewayProcess gateway)
    {
        // Time is all there is to wait for: what is collected and given back is nobody's event.
        await Task.Delay(Settling);
        return gateway.ResidentBytes;
    }
}
