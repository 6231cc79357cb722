using System.Collections.Concurrent;
using System.Globalization;

namespace KernelGateway.Chaos.Tests.Support;

/// <summary>A gateway process with both variants, a control group of its own, and faults allowed.</summary>
internal static class ChaosGateway
{
    private static readonly ConcurrentDictionary<GatewayProcess, string> TestOf = [];
    private static int s_number;

    public static Task<GatewayProcess> StartAsync(params (string Key, string Value)[] settings) =>
        StartOnAsync(Directory.CreateTempSubdirectory("kg-").FullName, [], settings);

    public static async Task<GatewayProcess> StartOnAsync(string folder, IReadOnlyList<string> through, params (string Key, string Value)[] settings)
    {
        var gateway = await GatewayProcess.StartOnAsync(folder, through, With(settings));
        TestOf[gateway] = TestContext.CurrentContext.Test.ID;
        return gateway;
    }

    /// <summary>Kills the gateways of one test; gives what each had written.</summary>
    public static IReadOnlyList<string> KillAllOf(string test)
    {
        var gateways = TestOf.Where(g => g.Value == test && !g.Key.HasEnded).Select(g => g.Key).ToList();
        gateways.ForEach(g => g.Signal(9));
        return [.. gateways.Select(g => g.Log)];
    }

    /// <summary>A client that waits as long as it takes.</summary>
    public static KernelGateway.Client.KernelGatewayClient PatientClient(this GatewayProcess gateway) => new(new Client.KernelGatewayClientOptions
    {
        BaseAddress = gateway.Address,
        ApiKey = gateway.Key,
        FirstContactTimeout = Timeout.InfiniteTimeSpan,
        GiveUpAfter = Timeout.InfiniteTimeSpan, // A gateway that is killed as soon as it is up may be out of reach for minutes on a slow machine.
    });

    /// <summary>Arms faults for the next start; null for none.</summary>
    public static void ArmFaults(this GatewayProcess gateway, string? plan) => gateway.Set("KERNEL_GATEWAY_FAULTS", plan);

    /// <summary>Starts another gateway on the same data, which is expected to refuse, and gives how it ended.</summary>
    public static Task<(int ExitCode, string Output)> StartAnotherAsync(this GatewayProcess gateway) => ChildProcess.RunAsync(
        "dotnet",
        Path.Combine(AppContext.BaseDirectory, "KernelGateway.Server.dll"), "--urls", "http://127.0.0.1:0", "--Gateway:DataDirectory", gateway.DataFolder, "--Gateway:LocalEval:Enabled", "true");

    /// <summary>What the gateway's sandboxes have on this host; the gateway itself does not count.</summary>
    public static IReadOnlyList<string> Traces(this GatewayProcess gateway, string cgroupParent = "/kg-none") =>
    [
        .. HostTraces.Find(Path.Combine(gateway.DataFolder, "hosts", "eval"), "/kg-none"),
        .. HostTraces.Find(Path.Combine(gateway.DataFolder, "hosts", "local"), cgroupParent),
    ];

    /// <summary>A name below which a test's containers have their control groups.</summary>
    public static string NewCgroupParent() =>
        string.Create(CultureInfo.InvariantCulture, $"/kg-chaos-{Environment.ProcessId}-{Interlocked.Increment(ref s_number)}");

    private static (string Key, string Value)[] With((string Key, string Value)[] settings) =>
        [.. settings, .. Common().Where(c => settings.All(s => s.Key != c.Key))];

    private static (string Key, string Value)[] Common() =>
    [
        ("Gateway:LocalEval:Enabled", "true"),
        ("Gateway:Sandboxes:DefaultVariant", "local-eval"),
        ("Gateway:Faults:Enabled", "true"),
        ("Serilog:MinimumLevel:Default", "Warning"),
    ];
}
