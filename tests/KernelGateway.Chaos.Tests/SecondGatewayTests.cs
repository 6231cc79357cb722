using KernelGateway.Chaos.Tests.Support;
using KernelGateway.Client;

namespace KernelGateway.Chaos.Tests;

/// <summary>C21.</summary>
public sealed class SecondGatewayTests
{
    [Test]
    [Deadline(300)]
    public async Task C21_A_second_gateway_on_the_same_data_refuses_to_start_and_the_first_does_not_notice()
    {
        await using var gateway = await ChaosGateway.StartAsync();
        await using var client = gateway.PatientClient();
        await using var sandbox = await Sandbox.CreateAsync(client);
        await sandbox.RunCodeAsync("x = 1");

        var second = await gateway.StartAnotherAsync();

        second.ExitCode.Should().Be(1, second.Output);
        second.Output.Should().Contain("The gateway cannot start:\n  - Another gateway uses the data folder");
        (await sandbox.RunCodeAsync("x + 1")).Text.Should().Be("2");
    }
}
