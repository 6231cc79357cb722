using KernelGateway.Client;

namespace KernelGateway.EndToEnd.Tests.Support;

/// <summary>The shared gateway and a client of its own for every test.</summary>
[CancelAfter(120_000)]
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public abstract class GatewayFixture
{
    private protected GatewayProcess Gateway { get; private set; } = null!;

    private protected KernelGatewayClient Client { get; private set; } = null!;

    [SetUp]
    public async Task Connect()
    {
        Requires.LocalVariant();
        Gateway = await SharedGatewayProcess.GetAsync();
        Client = Gateway.Client();
    }

    [TearDown]
    public async Task Disconnect()
    {
        if (Client is not null)
        {
            await Client.DisposeAsync();
        }
    }
}
