using System.Net.Http.Json;
using System.Text.Json;
using KernelGateway.Client;

namespace KernelGateway.Abuse.Tests;

/// <summary>One gateway for the whole suite, with an attacker, user A, and a neighbour, user B, each with a key of their own.</summary>
[SetUpFixture]
public sealed class Site
{
    private static readonly Lazy<Task<Site>> Opened = new(() => new Site().OpenAsync());

    internal GatewayProcess Gateway { get; private set; } = null!;

    /// <summary>What an attacker has: an ordinary key.</summary>
    internal KernelGatewayClient Attacker { get; private set; } = null!;

    internal string AttackersKey { get; private set; } = "";

    internal string NeighboursKey { get; private set; } = "";

    internal KernelGatewayClient NeighboursClient { get; private set; } = null!;

    /// <summary>A sandbox that must not notice anything.</summary>
    internal Sandbox Neighbour { get; private set; } = null!;

    /// <summary>Resident memory of the gateway once it had done everything once, bytes.</summary>
    internal long QuietBytes { get; private set; }

    /// <summary>Descriptors of the gateway once it had done everything once.</summary>
    internal int QuietDescriptors { get; private set; }

    internal static Task<Site> GetAsync() => Opened.Value;

    [OneTimeTearDown]
    public async Task CloseAsync()
    {
        if (!Opened.IsValueCreated)
        {
            return;
        }

        var site = await Opened.Value;
        await site.Neighbour.TerminateAsync(TimeSpan.Zero);
        await site.Attacker.DisposeAsync();
        await site.NeighboursClient.DisposeAsync();
        await site.Gateway.DisposeAsync();
    }

    internal HttpClient HttpAs(string? key) => Gateway.HttpAs(key);

    private async Task<Site> OpenAsync()
    {
        Requires.LocalVariant();
        Gateway = await GatewayProcess.StartNewAsync(
            ("Serilog:MinimumLevel:Default", "Warning"),
            ("Gateway:Local:CgroupParent", $"/kg-abuse-{Environment.ProcessId}"),
            ("Gateway:Sandboxes:KeepEnded", "00:00:05"),
            ("Gateway:Sandboxes:MaxOutputMessages", "20000"));
        (AttackersKey, Attacker) = await UserAsync("attacker");
        (NeighboursKey, NeighboursClient) = await UserAsync("neighbour");
        Neighbour = await Sandbox.CreateAsync(NeighboursClient);
        await (await Sandbox.CreateAsync(Attacker)).TerminateAsync(TimeSpan.Zero);
        (await Neighbour.RunCodeAsync("1 + 1")).Text.Should().Be("2");
        QuietBytes = Gateway.ResidentBytes;
        QuietDescriptors = Gateway.OpenFiles().Count;
        return this;
    }

    private async Task<(string Key, KernelGatewayClient Client)> UserAsync(string owner)
    {
        using var admin = Gateway.Http();
        using var answer = await admin.PostAsJsonAsync("/api/v1/keys", new { owner });
        var key = (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("key").GetString()!;
        return (key, new KernelGatewayClient(new KernelGatewayClientOptions { BaseAddress = Gateway.Address, ApiKey = key }));
    }
}
