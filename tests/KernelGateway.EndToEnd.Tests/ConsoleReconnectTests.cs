using System.Globalization;
using System.Text.RegularExpressions;
using KernelGateway.Client;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.EndToEnd.Tests.Support;

namespace KernelGateway.EndToEnd.Tests;

/// <summary>The sample as its users start it, against a real gateway.</summary>
[Parallelizable(ParallelScope.Children)]
public sealed partial class ConsoleReconnectTests : GatewayFixture
{
    private const int Killed = 128 + 9;

    private readonly string _place = Path.Combine(Path.GetTempPath(), $"kg-place-{Guid.NewGuid():N}.json");

    [TearDown]
    public void RemovePlace() => File.Delete(_place);

    [Test]
    public async Task It_cuts_its_connection_and_proves_that_every_line_came_once(CancellationToken cancellationToken)
    {
        var (code, output) = await StartAsync(["--lines", "240", "--rate", "120", "--away", "0.5"], cancellationToken);

        code.Should().Be(0, output);
        output.Should().Contain("Proven: all 240 lines came exactly once and in order.");
        Shown(output).Should().Equal(Enumerable.Range(1, 240));
    }

    [Test]
    public async Task Killed_in_the_middle_it_goes_on_as_a_new_process(CancellationToken cancellationToken)
    {
        var (first, before) = await StartAsync(["--lines", "200", "--rate", "100", "--drop-at", "60", "--kill"], cancellationToken);
        var (second, after) = await StartAsync(["--resume"], cancellationToken);

        first.Should().Be(Killed, before);
        second.Should().Be(0, after);
        after.Should().Contain("Proven: all 200 lines came exactly once and in order.");
        Shown(before).Concat(Shown(after)).Should().Equal(Enumerable.Range(1, 200));
        var left = new List<SandboxInfo>();
        await foreach (var sandbox in Sandbox.ListAsync(Client, new SandboxFilter { State = SandboxState.Running }, cancellationToken))
        {
            left.Add(sandbox);
        }

        left.Where(s => after.Contains(s.Id, StringComparison.Ordinal)).Should().BeEmpty("it tidies up");
    }

    private Task<(int ExitCode, string Output)> StartAsync(string[] arguments, CancellationToken cancellationToken) => ChildProcess.RunAsync(
        "dotnet",
        [Path.Combine(AppContext.BaseDirectory, "console-reconnect.dll"), .. arguments, "--url", Gateway.Address.ToString(), "--place", _place],
        [(KernelGatewayClientOptions.ApiKeyVariable, Gateway.Key)],
        cancellationToken);

    private static IEnumerable<int> Shown(string output) => Line().Matches(output).Select(match => int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture));

    [GeneratedRegex("^ +line ([0-9]+) of ", RegexOptions.Multiline)]
    private static partial Regex Line();
}
