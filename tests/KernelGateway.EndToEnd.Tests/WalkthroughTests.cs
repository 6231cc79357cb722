using KernelGateway.Client;
using KernelGateway.EndToEnd.Tests.Support;

namespace KernelGateway.EndToEnd.Tests;

/// <summary>The sample that shows the whole SDK, as its users start it.</summary>
public sealed class WalkthroughTests : GatewayFixture
{
    [Test]
    public async Task Every_chapter_prints_what_the_sample_promises(CancellationToken cancellationToken)
    {
        Requires.Module("matplotlib");
        Requires.Module("pandas");
        var (code, output) = await ChildProcess.RunAsync(
            "dotnet",
            [Path.Combine(AppContext.BaseDirectory, "walkthrough.dll")],
            [(KernelGatewayClientOptions.BaseAddressVariable, Gateway.Address.ToString()), (KernelGatewayClientOptions.ApiKeyVariable, Gateway.Key)],
            cancellationToken);

        var promised = await File.ReadAllTextAsync(Path.Combine(Repository.Root, "samples", "walkthrough", "expected-output.txt"), cancellationToken);
        output.Split('\n').Should().Equal(promised.Split('\n'));
        code.Should().Be(0);
    }
}
