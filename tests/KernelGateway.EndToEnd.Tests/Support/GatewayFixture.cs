using KernelGateway.Client;
using KernelGateway.Contracts.Events;

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
        Gateway = await SharedGateway.GetAsync();
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

    /// <summary>Reads until an event of that kind comes.</summary>
    private protected static async Task<T> FirstAsync<T>(Sandbox sandbox, long after, CancellationToken cancellationToken, Func<T, bool>? wanted = null)
        where T : SandboxEvent
    {
        await foreach (var one in sandbox.EventsAsync(after, cancellationToken))
        {
            if (one is T found && (wanted is null || wanted(found)))
            {
                return found;
            }
        }

        throw new AssertionException($"The events ended without a {typeof(T).Name}.");
    }
}
