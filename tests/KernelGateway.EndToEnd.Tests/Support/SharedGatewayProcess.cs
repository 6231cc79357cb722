namespace KernelGateway.EndToEnd.Tests;

/// <summary>One gateway for all tests that leave it as they found it; started by the first of them.</summary>
[SetUpFixture]
public sealed class SharedGatewayProcess
{
    private static readonly Lazy<Task<GatewayProcess>> Started = new(() => GatewayProcess.StartNewAsync());

    internal static Task<GatewayProcess> GetAsync() => Started.Value;

    [OneTimeTearDown]
    public async Task StopAsync()
    {
        if (Started.IsValueCreated)
        {
            await (await Started.Value).DisposeAsync();
        }
    }
}
