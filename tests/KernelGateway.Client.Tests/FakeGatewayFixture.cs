using KernelGateway.Client.Tests.Gateway;
using KernelGateway.Contracts.Sandboxes;

namespace KernelGateway.Client.Tests;

/// <summary>A fake gateway, a client and a deadline for every test.</summary>
public abstract class FakeGatewayFixture
{
    private protected FakeGateway Gateway { get; private set; } = null!;

    private protected KernelGatewayClient Client { get; private set; } = null!;

    /// <summary>Ends every wait of a test that went wrong.</summary>
    protected CancellationToken Deadline { get; } = new CancellationTokenSource(TimeSpan.FromSeconds(60)).Token;

    [SetUp]
    public async Task StartGateway()
    {
        Gateway = await FakeGateway.StartAsync();
        Client = Gateway.Connect();
    }

    [TearDown]
    public async Task StopGateway()
    {
        await Client.DisposeAsync();
        await Gateway.DisposeAsync();
    }

    /// <summary>A sandbox from both sides.</summary>
    private protected async Task<(FakeSandbox Fake, Sandbox Sandbox)> OpenAsync(KernelGatewayClient? client = null)
    {
        var fake = Gateway.State.Create(new CreateSandboxRequest());
        return (fake, await Sandbox.FromIdAsync(fake.Id, client ?? Client, Deadline));
    }
}
