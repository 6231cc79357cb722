using KernelGateway.Server.Tests.Support;

namespace KernelGateway.Server.Tests;

/// <summary>One gateway for all tests that need nothing special of it.</summary>
[SetUpFixture]
internal sealed class SharedGateway
{
    public static LiveGateway Instance { get; private set; } = null!;

    [OneTimeSetUp]
    public static async Task Start() => Instance = await LiveGateway.StartAsync();

    [OneTimeTearDown]
    public static async Task Stop() => await Instance.DisposeAsync();
}
