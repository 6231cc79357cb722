using System.Buffers;
using System.Net.Sockets;

namespace KernelGateway.Core.Egress;

/// <summary>Carries bytes both ways, no more in memory than one buffer each way, and only while something moves: who does not read is not sent more.</summary>
internal static class Relay
{
    internal const int BufferSize = 32 << 10;

    /// <summary>A tunnel, until both sides have ended or the connection's life has.</summary>
    internal static async Task TunnelAsync(EgressConnection connection, Socket server)
    {
        await using var stream = new NetworkStream(server, ownsSocket: false);
        var up = PumpAsync(connection.Input.ReadAsync, stream, connection.Sent, () => server.Shutdown(SocketShutdown.Send), connection);
        var down = PumpAsync(stream.ReadAsync, connection.Client, connection.Received, () => connection.Client.Socket.Shutdown(SocketShutdown.Send), connection);
        await Task.WhenAll(up, down);
    }

    /// <summary>One way, to the end; then tells the receiver that no more will come. A failure ends the connection, and with it the other way.</summary>
    internal static async Task PumpAsync(
        Func<Memory<byte>, CancellationToken, ValueTask<int>> read,
        Stream target,
        Action<int> count,
        Action end,
        EgressConnection connection)
    {
        try
        {
            while (await MoveAsync(read, target, connection.Life) is > 0 and var moved)
            {
                count(moved);
            }

            end();
        }
        catch
        {
            connection.Cut();
            throw;
        }
    }

    private static async ValueTask<int> MoveAsync(Func<Memory<byte>, CancellationToken, ValueTask<int>> read, Stream target, CancellationToken cancellationToken)
    {
        // Waits for something to come without a buffer: a tunnel in which nothing happens costs none.
        await read(Memory<byte>.Empty, cancellationToken);
        var buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        try
        {
            var got = await read(buffer.AsMemory(0, BufferSize), cancellationToken);
            await target.WriteAsync(buffer.AsMemory(0, got), cancellationToken);
            return got;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
