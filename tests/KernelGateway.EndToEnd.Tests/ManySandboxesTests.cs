using System.Diagnostics;
using System.Globalization;
using KernelGateway.Client;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.EndToEnd.Tests.Support;

namespace KernelGateway.EndToEnd.Tests;

/// <summary>Fifty sandboxes that live at the same time, and what they leave behind: nothing.</summary>
[NonParallelizable]
public sealed class ManySandboxesTests
{
    private const int Count = 50;
    private const int AtOnce = 6;

    /// <summary>What the runtime and the database keep open for the next parallel calls; a leak would be one for each sandbox.</summary>
    private const int Pools = 10;

    private const uint UidBase = 0x6E00_0000;

    [Test]
    [CancelAfter(240_000)]
    public async Task Fifty_sandboxes_at_once_work_and_leave_nothing_behind(CancellationToken cancellationToken)
    {
        Requires.LocalVariant();
        var parent = $"/kg-e2e-{Environment.ProcessId}";
        var gateway = await GatewayProcess.StartNewAsync(
            ("Gateway:Local:UidBase", UidBase.ToString(CultureInfo.InvariantCulture)),
            ("Gateway:Local:CgroupParent", parent));
        var traces = new GatewayTraces(gateway, UidBase, parent);
        try
        {
            // One before, so that what the gateway opens once for all is in the count.
            await RunAllAsync(gateway, 1, cancellationToken);
            traces.Find().Should().BeEmpty();
            var descriptors = gateway.OpenFiles().Count;

            var clock = Stopwatch.StartNew();
            var alive = await RunAllAsync(gateway, Count, cancellationToken, () => traces.Processes().Count);

            await TestContext.Out.WriteLineAsync($"{Count} sandboxes with {alive} processes came and went in {clock.Elapsed.TotalSeconds:0} s; descriptors {descriptors} before, {gateway.OpenFiles().Count} after");
            alive.Should().BeGreaterThanOrEqualTo(Count, "all lived at the same time");
            traces.Find().Should().BeEmpty();
            await OpenFilesShouldFallAsync(gateway, descriptors + Pools, cancellationToken);
        }
        finally
        {
            await gateway.DisposeAsync();
        }

        HostTraces.RemoveGroups(parent);
    }

    private static async Task<int> RunAllAsync(GatewayProcess gateway, int count, CancellationToken cancellationToken, Func<int>? whileAllLive = null)
    {
        await using var client = gateway.Client();
        var bounds = new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken };
        var sandboxes = new Sandbox[count];
        await Parallel.ForAsync(0, count, bounds, async (i, token) => sandboxes[i] = await Sandbox.CreateAsync(client, cancellationToken: token));
        await Parallel.ForAsync(0, count, bounds, async (i, token) =>
        {
            var result = await sandboxes[i].RunCodeAsync($"import pathlib; pathlib.Path('mine').write_text('{i}'); n = {i}\nn * n", cancellationToken: token);
            result.Text.Should().Be((i * i).ToString(CultureInfo.InvariantCulture), $"sandbox {i} ended with {result.Error}");
        });
        var seen = whileAllLive?.Invoke() ?? 0;
        await Parallel.ForAsync(0, count, bounds, async (i, token) =>
        {
            (await sandboxes[i].RunCodeAsync("open('mine').read(), n", cancellationToken: token)).Text.Should().Be($"('{i}', {i})");
            await sandboxes[i].TerminateAsync(cancellationToken: token);
            (await sandboxes[i].RefreshAsync(token)).State.Should().Be(SandboxState.Terminated);
        });
        return seen;
    }

    /// <summary>Connections end a moment after the client has closed them; nothing says when.</summary>
    private static async Task OpenFilesShouldFallAsync(GatewayProcess gateway, int most, CancellationToken cancellationToken)
    {
        using var clock = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        for (var look = 0; look < 200 && gateway.OpenFiles().Count > most; look++)
        {
            await clock.WaitForNextTickAsync(cancellationToken);
        }

        var left = gateway.OpenFiles();
        left.Count.Should().BeLessThanOrEqualTo(most, $"these are open:\n{string.Join('\n', left.Order())}\n");
    }
}
