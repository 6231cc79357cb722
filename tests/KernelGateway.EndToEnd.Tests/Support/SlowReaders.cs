using System.Net.Sockets;
using System.Text;

namespace KernelGateway.EndToEnd.Tests.Support;

/// <summary>Clients that read 1 KiB a second, as over a very bad line.</summary>
internal static class SlowReaders
{
    private const int Portion = 1024;
    private const int ReceiveBuffer = 4096; // What is not read must stay in the gateway, not in the kernel of the host.
    private static readonly TimeSpan Pace = TimeSpan.FromSeconds(1);

    /// <summary>Long enough for every limit of the server on the time of one write.</summary>
    private const int LeastPortions = 15;

    /// <summary>Reads Server-Sent Events until told to stop; gives how many bytes came.</summary>
    public static async Task<long> ReadEventsAsync(GatewayProcess gateway, string sandboxId, long after, Task stop, CancellationToken cancellationToken)
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = ReceiveBuffer };
        await socket.ConnectAsync(gateway.Address.Host, gateway.Address.Port, cancellationToken);
        await socket.SendAsync(Encoding.ASCII.GetBytes(
            $"GET /api/v1/sandboxes/{sandboxId}/events?after={after} HTTP/1.1\r\nHost: {gateway.Address.Authority}\r\nAuthorization: Bearer {gateway.Key}\r\nAccept: text/event-stream\r\n\r\n"), cancellationToken);
        return await AtPaceAsync(async buffer => await socket.ReceiveAsync(buffer, cancellationToken), stop, cancellationToken);
    }

    /// <summary>Reads a stream of the hub until told to stop; gives how many bytes came.</summary>
    public static async Task<long> ReadHubAsync(GatewayProcess gateway, string sandboxId, long after, Task stop, CancellationToken cancellationToken)
    {
        await using var hub = await RawHub.ConnectAsync(gateway.Address, gateway.Key, ReceiveBuffer);
        await hub.BeginStreamAsync("StreamEvents", sandboxId, after);
        return await AtPaceAsync(
            async buffer =>
            {
                await hub.PingAsync();
                return await hub.ReadAsync(buffer, cancellationToken);
            },
            stop,
            cancellationToken);
    }

    private static async Task<long> AtPaceAsync(Func<Memory<byte>, Task<int>> read, Task stop, CancellationToken cancellationToken)
    {
        var buffer = new byte[Portion];
        long bytes = 0;
        using var clock = new PeriodicTimer(Pace);
        for (var portions = 0; portions < LeastPortions || !stop.IsCompleted; portions++)
        {
            await clock.WaitForNextTickAsync(cancellationToken);
            var count = await read(buffer);
            count.Should().BePositive($"a slow reader is not thrown out, but this one was after {bytes} bytes");
            bytes += count;
        }

        return bytes;
    }
}
