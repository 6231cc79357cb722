using System.Diagnostics;
using KernelGateway.Chaos.Tests.Support;
using KernelGateway.Client;
using KernelGateway.Contracts.Sandboxes;

namespace KernelGateway.Chaos.Tests;

/// <summary>C16.</summary>
[Category("Long")]
[NonParallelizable]
public sealed class CycleTests
{
    [Test]
    [Deadline(300)]
    public async Task C16_Sandboxes_that_are_made_and_ended_again_and_again_leave_nothing_behind()
    {
        const int AtOnce = 4;
        var parent = ChaosGateway.NewCgroupParent();
        await using var gateway = await ChaosGateway.StartAsync(
            ("Gateway:Local:CgroupParent", parent),
            ("Gateway:Sandboxes:DefaultVariant", "local"),
            ("Gateway:Sandboxes:KeepEnded", "00:00:00"));
        await using var client = gateway.PatientClient();
        await CycleAsync(client); // What is made once and kept, is made now.
        var before = gateway.Descriptors;
        var kinds = KindsOf(gateway);
        var memory = gateway.ResidentBytes;
        var seconds = new List<double>();
        var timeIsUp = ChaosSettings.TimeIsUp("CYCLES");
        var next = 0;
        await Task.WhenAll(Enumerable.Range(0, AtOnce).Select(async _ =>
        {
            while (Interlocked.Increment(ref next) <= ChaosSettings.Cycles && !timeIsUp())
            {
                var took = await CycleAsync(client);
                lock (seconds)
                {
                    seconds.Add(took);
                }
            }
        }));

        await Wait.UntilAsync(async () => !await Sandbox.ListAsync(client).GetAsyncEnumerator().MoveNextAsync(), TimeSpan.FromSeconds(10), "all are forgotten");
        var traces = gateway.Traces(parent);
        Figures.Report("create/kill cycles", seconds.Count);
        Figures.Report("create/kill leaks", traces.Count);
        Figures.Report("create p99 of the first quarter s", Figures.Quantile([.. seconds.Take(seconds.Count / 4)], 0.99));
        Figures.Report("create p99 of the last quarter s", Figures.Quantile([.. seconds.Skip(seconds.Count * 3 / 4)], 0.99));
        Figures.Report("descriptors before", before);
        Figures.Report("descriptors after", gateway.Descriptors);
        Figures.Report("memory before MiB", memory >> 20);
        Figures.Report("memory after MiB", gateway.ResidentBytes >> 20);
        traces.Should().BeEmpty();
        gateway.Descriptors.Should().BeLessThan(before + 20, "connections come and go, but cycles must not add up; there are {0}, there were {1}", KindsOf(gateway), kinds);
        Directory.EnumerateFileSystemEntries(Path.Combine(gateway.DataFolder, "journals")).Should().BeEmpty();
        HostTraces.RemoveGroups(parent);
    }

    private static string KindsOf(GatewayProcess gateway) => string.Join(", ", new DirectoryInfo($"/proc/{gateway.ProcessId}/fd").EnumerateFiles()
        .Select(f => f.LinkTarget?.Split(['[', '(', ' '], 2)[0] ?? "")
        .GroupBy(t => t.Length > 60 ? t[..60] : t)
        .OrderByDescending(g => g.Count())
        .Take(12)
        .Select(g => $"{g.Count()} {g.Key}"));

    private static async Task<double> CycleAsync(KernelGatewayClient client)
    {
        var began = Stopwatch.GetTimestamp();
        var sandbox = await Sandbox.CreateAsync(client, new CreateSandboxRequest { MemoryMb = 256 });
        var took = Stopwatch.GetElapsedTime(began).TotalSeconds;
        await sandbox.TerminateAsync(TimeSpan.Zero);
        return took;
    }
}
