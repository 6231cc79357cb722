using System.Globalization;
using System.Net;
using System.Net.Sockets;
using KernelGateway.Client;

namespace KernelGateway.EndToEnd.Tests;

/// <summary>The first command of the README, as a new user runs it. It builds in Release when something has changed, as it does for them.</summary>
[NonParallelizable]
[Category("Quickstart")]
[CancelAfter(900_000)]
public sealed class QuickstartTests
{
    [Test]
    public async Task It_leaves_a_gateway_that_can_be_used_uses_it_again_and_stops_it(CancellationToken cancellationToken)
    {
        Requires.LocalVariant();
        var root = Repository.Root;
        var folder = Path.Combine(Path.GetTempPath(), $"kg-quick-{Guid.NewGuid():N}");
        var data = Path.Combine(folder, "data");
        var port = FreePort();
        var address = new Uri($"http://127.0.0.1:{port}");
        Directory.CreateDirectory(folder);
        Task<(int ExitCode, string Output)> QuickstartAsync(params string[] arguments) => ChildProcess.RunAsync(
            Path.Combine(root, "samples", "quickstart.sh"), arguments, [("XDG_STATE_HOME", Path.Combine(folder, "state"))], cancellationToken);
        try
        {
            var first = await QuickstartAsync("--data", data, "--port", port.ToString(CultureInfo.InvariantCulture));
            first.ExitCode.Should().Be(0, first.Output);
            first.Output.Should().Contain("in a sandbox says 42").And.Contain("a file says 42").And.Contain("Proven: all 60 lines came exactly once and in order.").And.Contain(address.ToString().TrimEnd('/'));

            await using (var client = new KernelGatewayClient(new KernelGatewayClientOptions { BaseAddress = address, ApiKey = (await File.ReadAllTextAsync(Path.Combine(data, "admin.key"), cancellationToken)).Trim() }))
            {
                await using var sandbox = await Sandbox.CreateAsync(client, cancellationToken: cancellationToken);
                (await sandbox.RunCodeAsync("6 * 7", cancellationToken: cancellationToken)).Text.Should().Be("42", "the gateway is left running");
            }

            var second = await QuickstartAsync("--data", data);
            second.ExitCode.Should().Be(0, second.Output);
            second.Output.Should().Contain("Using the one that runs already").And.Contain("Nothing has changed since the last build");

            var stop = await QuickstartAsync("--stop");
            stop.ExitCode.Should().Be(0, stop.Output);
            stop.Output.Should().Contain("has stopped");
            IsListening(port).Should().BeFalse("it was stopped");
        }
        finally
        {
            var (code, output) = await QuickstartAsync("--stop");
            code.Should().Be(0, $"stopping again is no error, but: {output}");
            Directory.Delete(folder, recursive: true);
        }
    }

    private static int FreePort()
    {
        using var listener = new Socket(SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)listener.LocalEndPoint!).Port;
    }

    private static bool IsListening(int port)
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Connect(IPAddress.Loopback, port);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
