using KernelGateway.Chaos.Tests.Support;
using KernelGateway.Client;
using KernelGateway.Contracts.Executions;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Server.Configuration;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace KernelGateway.Chaos.Tests;

/// <summary>C12.</summary>
public sealed class ClockTests
{
    private static readonly TimeSpan[] Jumps = [TimeSpan.FromHours(2), TimeSpan.FromHours(-4), TimeSpan.FromDays(400), TimeSpan.FromDays(-500), TimeSpan.FromSeconds(-10), TimeSpan.FromSeconds(1)];

    /// <summary>Nothing else in the gateway has this period.</summary>
    private static readonly TimeSpan ReapInterval = TimeSpan.FromMilliseconds(110);

    [Test]
    [Deadline(300)]
    public async Task C12_When_the_clock_jumps_no_time_limit_fires_and_none_is_put_off()
    {
        var clock = new JumpingClock();
        using var folder = new TemporaryFolder();
        await using var app = GatewayHost.Build([], builder =>
        {
            builder.Services.AddSingleton<TimeProvider>(clock);
            builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
            {
                ["Urls"] = "http://127.0.0.1:0",
                ["Gateway:DataDirectory"] = folder.Path,
                ["Gateway:LocalEval:Enabled"] = "true",
                ["Gateway:Sandboxes:DefaultVariant"] = "local-eval",
                ["Gateway:Sandboxes:ReapInterval"] = ReapInterval.ToString(),
                ["Serilog:MinimumLevel:Default"] = "Warning",
            });
        });
        await app.StartAsync();
        await using var client = new KernelGatewayClient(new KernelGatewayClientOptions
        {
            BaseAddress = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single()),
            ApiKey = (await File.ReadAllTextAsync(folder.Of("admin.key"))).Trim(),
        });
        var ended = await Sandbox.CreateAsync(client);
        await ended.TerminateAsync(TimeSpan.Zero);
        var sandbox = await Sandbox.CreateAsync(client, new CreateSandboxRequest { IdleTimeoutSeconds = 600, LifetimeSeconds = 1200, TimeoutSeconds = 300 });
        var run = await sandbox.StartCodeAsync("input()\nprint('went on')");
        foreach (var jump in Jumps)
        {
            clock.Jump(jump);
            await clock.TicksAsync(ReapInterval, 4); // The reaper has looked, whatever it did.
            (await sandbox.RefreshAsync()).State.Should().Be(SandboxState.Running, "the clock jumped by {0}", jump);
            (await ended.RefreshAsync()).State.Should().Be(SandboxState.Terminated, "it can be read for an hour, whatever the clock says");
        }

        await run.ReplyInputAsync("");
        (await run.WaitAsync()).Stdout.Should().Contain("went on");
        var limited = await sandbox.StartCodeAsync("import time\nprint('begun', flush=True)\ntime.sleep(60)", new RunCodeOptions { Timeout = TimeSpan.FromSeconds(2) });
        clock.Jump(TimeSpan.FromHours(-1));
        (await limited.WaitAsync(new CancellationTokenSource(TimeSpan.FromSeconds(30)).Token)).Status.Should().Be(ExecutionStatus.Timeout);
        var numbers = new List<long>();
        await sandbox.TerminateAsync(TimeSpan.Zero);
        await foreach (var one in sandbox.EventsAsync())
        {
            numbers.Add(one.Sequence);
        }

        numbers.Should().BeInAscendingOrder().And.OnlyHaveUniqueItems();
        await app.StopAsync();
    }
}
