using System.Globalization;
using System.Text.Json;
using KernelGateway.Client;
using KernelGateway.Contracts.Events;

namespace KernelGateway.EndToEnd.Tests;

/// <summary>The notebook and its client, run by nbclient as Jupyter runs it, against a real gateway.</summary>
[CancelAfter(180_000)]
public sealed class NotebookTests
{
    private const string Python = "/usr/bin/python3.11";

    private const string Execute = """
        import sys, nbformat
        from nbclient import NotebookClient

        book = nbformat.read(sys.argv[1], as_version=4)
        NotebookClient(book, timeout=120, resources={"metadata": {"path": sys.argv[2]}}).execute()
        nbformat.write(book, sys.argv[3])
        """;

    private const string Follow = """
        import sys

        sys.path.insert(0, sys.argv[1])
        from kernel_gateway import Gateway

        sandbox = Gateway().sandbox(sys.argv[2])
        for event in sandbox.follow(sandbox.start(sys.argv[3])):
            if event["type"] == "output":
                print(event["text"], end="", flush=True)
        print(event["status"], sandbox.connections, "connections")
        """;

    private static string Folder => Path.Combine(Repository.Root, "samples", "notebook-streaming");

    [SetUp]
    public void Check()
    {
        Requires.LocalVariant();
        foreach (var module in new[] { "nbclient", "websocket", "matplotlib" })
        {
            Requires.Module(module);
        }
    }

    [Test]
    public async Task The_notebook_shows_lines_live_comes_back_after_a_cut_and_shows_a_figure(CancellationToken cancellationToken)
    {
        var gateway = await SharedGatewayProcess.GetAsync();
        var executed = Path.Combine(Path.GetTempPath(), $"kg-notebook-{Guid.NewGuid():N}.ipynb");
        try
        {
            var (code, output) = await PythonAsync(gateway, ["-c", Execute, Path.Combine(Folder, "streaming.ipynb"), Folder, executed], cancellationToken);
            code.Should().Be(0, output);

            using var book = JsonDocument.Parse(await File.ReadAllTextAsync(executed, cancellationToken));
            var outputs = book.RootElement.GetProperty("cells").EnumerateArray()
                .Where(cell => cell.GetProperty("cell_type").GetString() == "code")
                .Select(cell => cell.GetProperty("outputs").EnumerateArray().ToList())
                .ToList();
            Printed(outputs[0]).Should().Be("Sandbox is running\n");
            Printed(outputs[1]).Should().Be(string.Concat(Enumerable.Range(1, 5).Select(step => $"step {step} of 5\n")));
            outputs[1].Count(one => one.GetProperty("output_type").GetString() == "stream").Should().BeGreaterThan(1, "the lines came one after another, not all at the end");
            Printed(outputs[3]).Replace("-- cut --\n", "", StringComparison.Ordinal).Should().Be(string.Concat(Enumerable.Range(1, 60).Select(number => $"line {number}\n")));
            Printed(outputs[4]).Should().Be("60 lines, each once and in order, over 2 connections\n");
            Printed(outputs[5]).Should().Be("The sky is blue\n");
            outputs[6].SelectMany(Types).Should().Contain("image/png");
            outputs[7].SelectMany(Texts).Should().Contain("('error', 'ZeroDivisionError')");
            Printed(outputs[8]).Should().Be("Terminated.\n");
        }
        finally
        {
            File.Delete(executed);
        }
    }

    [Test]
    public async Task The_client_bridges_a_crash_of_the_gateway_without_losing_or_doubling_a_line(CancellationToken cancellationToken)
    {
        await using var gateway = await GatewayProcess.StartNewAsync();
        await using var client = gateway.Client();
        await using var sandbox = await Sandbox.CreateAsync(client, cancellationToken: cancellationToken);
        const string Code = "import time\nfor number in range(1, 301):\n    print('line', number, flush=True)\n    time.sleep(0.01)";
        var following = PythonAsync(gateway, ["-c", Follow, Folder, sandbox.Id, Code], cancellationToken);
        await foreach (var next in sandbox.EventsAsync(0, cancellationToken))
        {
            if (next is OutputEvent { Text: var text } && text.Contains("line 50\n", StringComparison.Ordinal))
            {
                break;
            }
        }

        await gateway.KillAsync();
        await gateway.StartAsync();

        var (code, output) = await following;
        code.Should().Be(0, output);
        var lines = output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        lines[..^1].Should().Equal(Enumerable.Range(1, 300).Select(number => string.Create(CultureInfo.InvariantCulture, $"line {number}")));
        lines[^1].Should().StartWith("ok ").And.NotBe("ok 2 connections", "the gateway was away in between");
    }

    private static Task<(int ExitCode, string Output)> PythonAsync(GatewayProcess gateway, string[] arguments, CancellationToken cancellationToken) => ChildProcess.RunAsync(
        Python,
        arguments,
        [
            (KernelGatewayClientOptions.BaseAddressVariable, gateway.Address.ToString()),
            (KernelGatewayClientOptions.ApiKeyVariable, gateway.Key),
            ("PYDEVD_DISABLE_FILE_VALIDATION", "1"),
        ],
        cancellationToken);

    private static string Printed(IEnumerable<JsonElement> outputs) => string.Concat(outputs
        .Where(one => one.GetProperty("output_type").GetString() == "stream" && one.GetProperty("name").GetString() == "stdout")
        .Select(one => Joined(one.GetProperty("text"))));

    private static IEnumerable<string> Types(JsonElement output) => output.TryGetProperty("data", out var data) ? data.EnumerateObject().Select(one => one.Name) : [];

    private static IEnumerable<string> Texts(JsonElement output) => output.TryGetProperty("data", out var data) ? [Joined(data.GetProperty("text/plain"))] : [];

    /// <summary>A notebook keeps a text as one string or as a list of lines.</summary>
    private static string Joined(JsonElement text) => text.ValueKind == JsonValueKind.Array
        ? string.Concat(text.EnumerateArray().Select(line => line.GetString()))
        : text.GetString()!;
}
