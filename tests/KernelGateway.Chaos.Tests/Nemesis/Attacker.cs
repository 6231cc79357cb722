using System.Globalization;
using System.Net.Http.Json;
using KernelGateway.Chaos.Tests.Support;
using KernelGateway.Contracts.Sandboxes;

namespace KernelGateway.Chaos.Tests.Nemesis;

/// <summary>Kills, freezes and sabotages a gateway, and measures how long it takes to be back.</summary>
internal sealed class Attacker(GatewayProcess gateway, Random random, IReadOnlyList<string> sandboxes)
{
    private const int SigStop = 19;
    private const int SigCont = 18;

    private static readonly string[] CrashPoints =
    [
        "journal.before_write", "journal.after_write", "journal.after_rotate", "execution.intent_journaled",
        "execution.before_send", "execution.after_send", "log.before_acknowledge",
    ];

    private static readonly TimeSpan FaultPatience = TimeSpan.FromSeconds(3);

    public List<string> Faults { get; } = [];

    public int Kills { get; private set; }

    /// <summary>From the start of the process until all sandboxes answer, seconds.</summary>
    public List<double> Adoptions { get; } = [];

    /// <summary>The part of it until the process listens: the start of .NET and of the server.</summary>
    public List<double> Listenings { get; } = [];

    /// <summary>One attack, from a running gateway to a running gateway.</summary>
    public async Task AttackAsync()
    {
        await WaitAsync(TimeSpan.FromMilliseconds(random.Next(50, 900)));
        switch (random.Next(10))
        {
            case 0:
                Faults.Add("freeze");
                gateway.Signal(SigStop);
                await WaitAsync(TimeSpan.FromMilliseconds(random.Next(100, 1500)));
                gateway.Signal(SigCont);
                break;
            case < 6:
                await KillAsync("kill");
                await StartAsync(null);
                break;
            default:
                var point = CrashPoints[random.Next(CrashPoints.Length)];
                await SabotageAsync(string.Create(CultureInfo.InvariantCulture, $"{point}:crash:{random.Next(1, 12)}"));
                break;
        }
    }

    /// <summary>Starts it again and measures until each sandbox answers.</summary>
    public async Task StartAsync(string? faults)
    {
        gateway.ArmFaults(faults);
        var began = TimeProvider.System.GetTimestamp();
        await gateway.StartAsync();
        var listening = TimeProvider.System.GetElapsedTime(began).TotalSeconds;
        using var http = gateway.Http();
        foreach (var id in sandboxes)
        {
            var info = await http.GetFromJsonAsync<SandboxInfo>($"/api/v1/sandboxes/{id}");
            info!.State.Should().Be(SandboxState.Running, $"sandbox {id} says: {info.StateReason}");
        }

        Listenings.Add(listening);
        Adoptions.Add(TimeProvider.System.GetElapsedTime(began).TotalSeconds);
    }

    private async Task SabotageAsync(string plan)
    {
        await KillAsync("kill");
        try
        {
            await StartAsync(plan);
            await gateway.Ended.WaitAsync(FaultPatience);
        }
        catch (TimeoutException)
        {
            // The place was not passed often enough.
        }
        catch (Exception e) when (e is AssertionException or InvalidOperationException or HttpRequestException or IOException)
        {
            await gateway.Ended.WaitAsync(FaultPatience); // It died while it was being started or asked.
        }

        await KillAsync(gateway.HasEnded ? plan : $"kill instead of {plan}");
        await StartAsync(null);
    }

    public async Task KillAsync(string how)
    {
        Faults.Add(how);
        Kills++;
        await gateway.KillAsync();
    }

    /// <summary>The moment of an attack, and how long it lasts, are what is drawn at random; there is nothing to wait for.</summary>
    private static Task WaitAsync(TimeSpan time) => Task.Delay(time, TimeProvider.System, CancellationToken.None);
}
