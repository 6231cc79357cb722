using System.Buffers.Binary;
using System.Text.Json;
using KernelGateway.Client;
using KernelGateway.Contracts.Executions;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.EndToEnd.Tests.Support;

namespace KernelGateway.EndToEnd.Tests;

/// <summary>What a run gives besides text, with its type.</summary>
public sealed class RichResultTests : GatewayFixture
{
    [Test]
    public async Task Text_HTML_and_errors_arrive_typed_live_and_in_order(CancellationToken cancellationToken)
    {
        await using var sandbox = await Sandbox.CreateAsync(Client, cancellationToken: cancellationToken);
        var live = new List<string>();
        var result = await sandbox.RunCodeAsync(
            """
            import sys
            from IPython.display import HTML, JSON, display
            print('to out')
            print('to err', file=sys.stderr)
            display(HTML('<b>bold &amp; brave</b>'))
            display(JSON({'deep': [1, None, 'ü']}))
            [1, 2, 'three']
            """,
            new RunCodeOptions
            {
                OnStdout = line => live.Add($"out {line.Line}"),
                OnStderr = line => live.Add($"err {line.Line}"),
                OnResult = value => live.Add($"{(value.IsMainResult ? "value" : "shown")} {string.Join(',', value.Data.Keys.Order())}"),
            },
            cancellationToken);

        result.Success.Should().BeTrue($"it ended with {result.Error}");
        live.Should().BeEquivalentTo("out to out", "err to err", "shown text/html,text/plain", "shown application/json,text/plain", "value text/plain");
        result.Text.Should().Be("[1, 2, 'three']");
        result.Results[0].Data["text/html"].GetString().Should().Be("<b>bold &amp; brave</b>");
        result.Results[1].Data["application/json"].GetProperty("deep")[2].GetString().Should().Be("ü");
        result.ExecutionCount.Should().Be(1);
    }

    [Test]
    public async Task An_error_arrives_with_name_message_and_traceback_and_leaves_the_kernel_usable(CancellationToken cancellationToken)
    {
        await using var sandbox = await Sandbox.CreateAsync(Client, cancellationToken: cancellationToken);
        CodeError? live = null;
        var result = await sandbox.RunCodeAsync(
            "kept = 'yes'\nprint('before')\ndef divide(n):\n    return n / 0\ndivide(7)\nprint('never')",
            new RunCodeOptions { OnError = error => live = error },
            cancellationToken);

        result.Status.Should().Be(ExecutionStatus.Error);
        result.Stdout.Should().Be("before\n");
        result.Error!.Name.Should().Be("ZeroDivisionError");
        result.Error.Value.Should().Be("division by zero");
        string.Join('\n', result.Error.Traceback).Should().Contain("divide").And.Contain("n \u001b").And.Contain("/");
        live.Should().BeEquivalentTo(result.Error);
        (await sandbox.RunCodeAsync("kept", cancellationToken: cancellationToken)).Text.Should().Be("'yes'");
    }

    [Test]
    public async Task A_Matplotlib_figure_arrives_as_a_picture_and_a_table_as_HTML(CancellationToken cancellationToken)
    {
        Requires.Module("matplotlib");
        Requires.Module("pandas");
        await using var sandbox = await Sandbox.CreateAsync(Client, new CreateSandboxRequest { Environment = "python-scientific", Cpu = 2 }, cancellationToken);
        var result = await sandbox.RunCodeAsync(
            """
            import matplotlib.pyplot as plt
            import pandas as pd
            plt.figure(figsize=(4, 3), dpi=100)
            plt.plot([1, 4, 9, 16])
            plt.title('squares')
            plt.show()
            pd.DataFrame({'n': [1, 2], 'square': [1, 4]})
            """,
            cancellationToken: cancellationToken);

        result.Success.Should().BeTrue($"it ended with {result.Error}");
        result.Stderr.Should().BeEmpty("nothing in a sandbox may make a library complain to the user");
        var figure = result.Results.Should().ContainSingle(r => !r.IsMainResult).Subject;
        var png = Convert.FromBase64String(figure.Data["image/png"].GetString()!.Replace("\n", "", StringComparison.Ordinal));
        png.Should().StartWith([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]);
        BinaryPrimitives.ReadInt32BigEndian(png.AsSpan(16)).Should().BeInRange(200, 600, "it is the figure's width");
        png.AsSpan(png.Length - 8, 4).SequenceEqual("IEND"u8).Should().BeTrue("the picture is complete");
        figure.Data["text/plain"].ValueKind.Should().Be(JsonValueKind.String);
        result.Results.Should().ContainSingle(r => r.IsMainResult).Which.Data["text/html"].GetString().Should().Contain("<table").And.Contain("square");
    }
}
