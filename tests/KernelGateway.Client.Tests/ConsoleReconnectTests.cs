using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using KernelGateway.Client.Tests.Gateway;
using KernelGateway.Contracts.Executions;
using KernelGateway.Contracts.Sandboxes;

namespace KernelGateway.Client.Tests;

/// <summary>The sample as its users start it: a process of its own.</summary>
[Parallelizable(ParallelScope.All)]
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public sealed partial class ConsoleReconnectTests : FakeGatewayFixture
{
    private const int Killed = 128 + 9;

    private readonly string _place = Path.Combine(Path.GetTempPath(), $"console-reconnect-{Guid.NewGuid():N}.json");

    [SetUp]
    public void PlayPython() => Gateway.State.Script = run => PrintAsync(run, (line, _) => [line]);

    [TearDown]
    public void RemovePlace() => File.Delete(_place);

    [Test]
    public async Task It_proves_that_every_line_came_once_over_two_connections()
    {
        var (code, output) = await StartAsync("--lines", "200", "--rate", "200", "--away", "0.3", "--drop-at", "50");

        code.Should().Be(0, output);
        output.Should().Contain("Proven: all 200 lines came exactly once and in order.").And.Contain("Cutting the connection");
        ShownLines(output).Should().Equal(Enumerable.Range(1, 200));
        output.Should().NotContain("\u001b", "nobody reads colours in a pipe");
        Gateway.State.HubConnections.Should().HaveCount(2);
        Gateway.State.Sandboxes.Should().ContainSingle().Which.Info.State.Should().Be(SandboxState.Terminated);
    }

    [Test]
    public async Task A_second_process_goes_on_where_a_killed_one_stopped()
    {
        var (first, before) = await StartAsync("--lines", "150", "--rate", "200", "--kill", "--drop-at", "40");
        await Gateway.State.Sandboxes[0].Runs[0].Done.WaitAsync(Deadline);
        var (second, after) = await StartAsync("--resume");

        first.Should().Be(Killed, before);
        second.Should().Be(0, after);
        ShownLines(before).Concat(ShownLines(after)).Should().Equal(Enumerable.Range(1, 150));
        File.Exists(_place).Should().BeFalse();
    }

    [Test]
    public async Task A_line_that_is_missing_doubled_or_strange_is_noticed([Values("lost", "repeated", "strange")] string fault)
    {
        Gateway.State.Script = run => PrintAsync(run, (line, number) => number != 30 ? [line] : fault switch
        {
            "lost" => [],
            "repeated" => [line, line],
            _ => [line, "something else"],
        });

        var (code, output) = await StartAsync("--lines", "60", "--rate", "0", "--away", "0", "--drop-at", "10");

        code.Should().Be(1, output);
        output.Should().Contain("NOT proven").And.Contain($"{fault} 1 line");
    }

    [Test]
    public async Task A_run_that_ends_before_the_cut_is_judged_as_well()
    {
        var (code, output) = await StartAsync("--lines", "5", "--rate", "0", "--away", "0", "--drop-at", "100");

        code.Should().Be(0, output);
        ShownLines(output).Should().Equal(1, 2, 3, 4, 5);
    }

    [Test]
    public async Task A_wrong_key_is_told_in_a_sentence()
    {
        var (code, output) = await StartAsync("--key", "wrong");

        code.Should().Be(2);
        output.Should().Contain("The API key is missing or unknown.").And.NotContain(" at KernelGateway");
    }

    [Test]
    public async Task Nothing_to_resume_is_told_in_a_sentence()
    {
        var (code, output) = await StartAsync("--resume");

        code.Should().Be(2);
        output.Should().Contain("There is nothing to resume");
    }

    private async Task<(int Code, string Output)> StartAsync(params string[] arguments)
    {
        var (exitCode, said) = await ChildProcess.RunAsync(
            "dotnet",
            [Path.Combine(AppContext.BaseDirectory, "console-reconnect.dll"), .. arguments, "--url", Gateway.Address.ToString(), "--place", _place],
            [(KernelGatewayClientOptions.ApiKeyVariable, FakeState.Key)],
            Deadline);
        TestContext.Out.WriteLine(said);
        return (exitCode, said);
    }

    /// <summary>Does what the sample's Python would do, in pieces that are not whole lines.</summary>
    private static async Task<ExecutionStatus> PrintAsync(FakeRun run, Func<string, int, IEnumerable<string>> change)
    {
        var lines = int.Parse(Count().Match(run.Request.Code).Groups[1].Value, CultureInfo.InvariantCulture);
        var pause = double.Parse(Pause().Match(run.Request.Code).Groups[1].Value, CultureInfo.InvariantCulture);
        var rest = "";
        for (var number = 1; number <= lines; number++)
        {
            var text = rest + string.Concat(change($"line {number} of {lines}", number).Select(line => line + "\n"));
            var cut = number == lines ? text.Length : text.Length * 2 / 3;
            rest = text[cut..];
            if (cut > 0)
            {
                run.Print(text[..cut]);
            }

            if (pause > 0)
            {
                await Task.Delay(TimeSpan.FromSeconds(pause), TimeProvider.System); // As the Python does.
            }
        }

        return ExecutionStatus.Ok;
    }

    private static IEnumerable<int> ShownLines(string output) => Shown().Matches(output).Select(match => int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture));

    [GeneratedRegex("range\\(1, ([0-9]+) \\+ 1\\)")]
    private static partial Regex Count();

    [GeneratedRegex("sleep\\(([0-9.E-]+)\\)")]
    private static partial Regex Pause();

    [GeneratedRegex("^ +line ([0-9]+) of ", RegexOptions.Multiline)]
    private static partial Regex Shown();
}
