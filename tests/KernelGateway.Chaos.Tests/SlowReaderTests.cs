using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using KernelGateway.Chaos.Tests.Support;
using KernelGateway.Client;

namespace KernelGateway.Chaos.Tests;

/// <summary>C13.</summary>
public sealed class SlowReaderTests
{
    [Test]
    [Deadline(300)]
    public async Task C13_A_hundred_readers_that_hardly_read_cost_little_memory_and_hold_up_nobody()
    {
        const int Readers = 100;
        const int Lines = 30_000;
        await using var gateway = await ChaosGateway.StartAsync();
        await using var client = gateway.PatientClient();
        await using var printer = await Sandbox.CreateAsync(client);
        await using var other = await Sandbox.CreateAsync(client);
        var code = $"for i in range({Lines}): print(i, '.' * 900)";
        var alone = await TimeAsync(async () => (await printer.RunCodeAsync(code)).Success.Should().BeTrue());
        var before = await LatencyAsync(other);
        var baseline = gateway.ResidentBytes;
        var sockets = new List<Socket>();
        try
        {
            for (var i = 0; i < Readers; i++)
            {
                sockets.Add(await OpenAsync(gateway, printer.Id));
            }

            // All stand still at the same time, while the kernel says everything once more.
            var (lines, bytes) = (0, 0L);
            var run = TimeAsync(async () =>
                (await printer.RunCodeAsync(code, new RunCodeOptions { OnStdout = m => (lines, bytes) = (lines + 1, bytes + m.Line.Length) })).Success.Should().BeTrue());
            var during = await LatencyAsync(other);
            var beside = await run;
            var peak = gateway.ResidentBytes;

            Figures.Report("C13 slow readers", Readers);
            Figures.Report("C13 MiB printed while they stood", bytes >> 20);
            Figures.Report("C13 memory before MiB", baseline >> 20);
            Figures.Report("C13 memory with slow readers MiB", peak >> 20);
            Figures.Report("C13 neighbour 1+1 before p99 s", Figures.Quantile(before, 0.99));
            Figures.Report("C13 neighbour 1+1 during p99 s", Figures.Quantile(during, 0.99));
            Figures.Report("C13 fast reader alone s", alone);
            Figures.Report("C13 fast reader beside them s", beside);
            lines.Should().Be(Lines);
            beside.Should().BeLessThan((3 * alone) + 5, "slow readers must not hold up a fast one");
            peak.Should().BeLessThan(baseline + (Readers << 20), "a slow reader may cost a mebibyte, not what it has not read");
            (await NumbersAsync(sockets[Readers / 2], 2 * Lines)).Should().Equal([.. Enumerable.Range(0, Lines), .. Enumerable.Range(0, Lines)]);
        }
        finally
        {
            sockets.ForEach(s => s.Dispose());
        }
    }

    private static async Task<double> TimeAsync(Func<Task> act)
    {
        var began = Stopwatch.GetTimestamp();
        await act();
        return Stopwatch.GetElapsedTime(began).TotalSeconds;
    }

    private static async Task<Socket> OpenAsync(GatewayProcess gateway, string id)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 4096 };
        await socket.ConnectAsync(IPAddress.Loopback, gateway.Address.Port);
        await socket.SendAsync(Encoding.ASCII.GetBytes(
            $"GET /api/v1/sandboxes/{id}/events?after=0 HTTP/1.0\r\nAuthorization: Bearer {gateway.Key}\r\nAccept: application/x-ndjson\r\n\r\n"));
        await socket.ReceiveAsync(new byte[64]); // It has begun.
        return socket;
    }

    private static async Task<List<int>> NumbersAsync(Socket socket, int count)
    {
        using var reader = new StreamReader(new NetworkStream(socket), Encoding.UTF8);
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(120));
        var rest = new StringBuilder();
        var numbers = new List<int>();
        while (numbers.Count < count && await reader.ReadLineAsync(deadline.Token) is { } line)
        {
            if (!line.Contains("\"type\":\"output\"", StringComparison.Ordinal))
            {
                continue;
            }

            using var json = System.Text.Json.JsonDocument.Parse(line);
            rest.Append(json.RootElement.GetProperty("text").GetString());
            var text = rest.ToString();
            var end = text.LastIndexOf('\n') + 1;
            rest.Clear().Append(text, end, text.Length - end);
            numbers.AddRange(text[..end].Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => int.Parse(l.Split(' ')[0], CultureInfo.InvariantCulture)));
        }

        return numbers;
    }

    private static async Task<List<double>> LatencyAsync(Sandbox sandbox)
    {
        var seconds = new List<double>();
        for (var i = 0; i < 20; i++)
        {
            var began = Stopwatch.GetTimestamp();
            (await sandbox.RunCodeAsync("1 + 1")).Text.Should().Be("2");
            seconds.Add(Stopwatch.GetElapsedTime(began).TotalSeconds);
        }

        return seconds;
    }
}
