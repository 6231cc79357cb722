using System.Net;
using KernelGateway.Client;
using KernelGateway.Contracts.Sandboxes;

namespace KernelGateway.Abuse.Tests.Support;

/// <summary>One attack at a time. Whatever it is, the neighbour answers during and after it, and the gateway is afterwards what it was before.</summary>
[NonParallelizable]
[CancelAfter(90_000)]
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public abstract class AbuseFixture
{
    private const long MemorySlack = 64 << 20;
    private const int DescriptorSlack = 16;
    private static readonly TimeSpan Settling = TimeSpan.FromSeconds(30);

    private readonly List<Sandbox> _sandboxes = [];
    private NeighbourWatch? _watch;

    private protected Site Site { get; private set; } = null!;

    private protected GatewayProcess Gateway => Site.Gateway;

    [SetUp]
    public async Task Watch()
    {
        Site = await Site.GetAsync();
        _watch = new NeighbourWatch(Site.Neighbour);
    }

    [TearDown]
    public async Task EverythingIsAsBefore()
    {
        if (_watch is null)
        {
            return;
        }

        var answers = await _watch.EndAsync();
        await TestContext.Out.WriteLineAsync($"the neighbour answered {answers.Count} times, at worst within {answers.Max().TotalMilliseconds:0} ms");
        foreach (var sandbox in _sandboxes)
        {
            await sandbox.TerminateAsync(TimeSpan.Zero);
            HostProcesses.ProcessesOf(sandbox.Id).Should().BeEmpty("a terminated sandbox leaves no process");
        }

        using var http = Site.HttpAs(null);
        (await http.GetAsync("/health")).StatusCode.Should().Be(HttpStatusCode.OK);
        await Wait.UntilAsync(() => Gateway.OpenFiles().Count <= Site.QuietDescriptors + DescriptorSlack, Settling, $"the gateway has about its {Site.QuietDescriptors} descriptors again");
        await Wait.UntilAsync(() => Gateway.ResidentBytes <= Site.QuietBytes + MemorySlack, Settling, $"the gateway has about its {Site.QuietBytes >> 20} MiB again");
    }

    /// <summary>A sandbox of the attacker, ended after the test.</summary>
    private protected async Task<Sandbox> AttackerAsync(CancellationToken cancellationToken, CreateSandboxRequest? request = null)
    {
        var sandbox = await Sandbox.CreateAsync(Site.Attacker, request, cancellationToken);
        _sandboxes.Add(sandbox);
        return sandbox;
    }

    /// <summary>Runs an attack in a fresh sandbox, whose kernel must live on.</summary>
    private protected async Task<CodeResult> AttackAsync(string code, CancellationToken cancellationToken, CreateSandboxRequest? request = null)
    {
        var sandbox = await AttackerAsync(cancellationToken, request);
        var result = await sandbox.RunCodeAsync(code, cancellationToken: cancellationToken);
        (await sandbox.RunCodeAsync("6 * 7", cancellationToken: cancellationToken)).Text.Should().Be("42", "the kernel lives after: {0}", result.Error);
        return result;
    }
}
