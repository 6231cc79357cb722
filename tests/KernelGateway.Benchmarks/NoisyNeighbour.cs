using KernelGateway.Client;
using KernelGateway.Contracts.Sandboxes;

namespace KernelGateway.Benchmarks;

/// <summary>What forty busy processes in one sandbox do to the round trips of another, against the same round trips while it is quiet.</summary>
internal static class NoisyNeighbour
{
    private const int BusyProcesses = 40;
    private const int BlockSize = 100;
    private const int WarmUp = 200;

    private const string Begin =
        """
        import os, signal
        busy = []
        for _ in range({0}):
            pid = os.fork()
            if pid == 0:
                while True: pass
            busy.append(pid)
        """;

    private const string End =
        """
        for pid in busy: os.kill(pid, signal.SIGKILL); os.waitpid(pid, 0)
        """;

    public static async Task CompareAsync(GatewayProcess gateway, int count, Report report)
    {
        await using var sdk = gateway.Client();
        await using var quiet = await Sandbox.CreateAsync(sdk);
        await using var noisy = await Sandbox.CreateAsync(sdk, new CreateSandboxRequest { Pids = 64, Cpu = 1 });
        Samples during = new(), without = new();
        for (var i = 0; i < WarmUp; i++)
        {
            await quiet.RunCodeAsync("pass");
        }

        for (var block = 0; block < Math.Max(2, count / BlockSize); block++)
        {
            await MeasureAsync(without);
            await noisy.RunCodeAsync(Begin.Replace("{0}", BusyProcesses.ToString(System.Globalization.CultureInfo.InvariantCulture), StringComparison.Ordinal));
            await MeasureAsync(during);
            await noisy.RunCodeAsync(End);
        }

        report.Compare($"pass: beside {BusyProcesses} busy processes, against quiet", during, without, 3);

        async Task MeasureAsync(Samples samples)
        {
            for (var i = 0; i < BlockSize; i++)
            {
                samples.Add(await RoundTrips.TimeAsync(() => quiet.RunCodeAsync("pass")));
            }
        }
    }
}
