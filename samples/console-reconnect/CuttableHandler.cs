using System.Collections.Concurrent;
using System.Net.Sockets;

namespace ConsoleReconnect;

/// <summary>Makes connections that can be cut for real: the gateway sees a reset, as when a laptop loses its network.</summary>
internal sealed class CuttableHandler : IDisposable
{
    private readonly ConcurrentBag<Socket> _open = [];

    public CuttableHandler() => Handler = new SocketsHttpHandler { ConnectCallback = ConnectAsync, AllowAutoRedirect = false };

    public SocketsHttpHandler Handler { get; }

    /// <summary>Cuts everything that is open.</summary>
    public void Cut()
    {
        while (_open.TryTake(out var socket))
        {
            try
            {
                socket.LingerState = new LingerOption(true, 0);
                socket.Close();
            }
            catch (Exception e) when (e is ObjectDisposedException or SocketException)
            {
                // It has ended by itself.
            }
        }
    }

    public void Dispose() => Handler.Dispose();

    private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(context.DnsEndPoint, cancellationToken);
        }
        catch
        {
            socket.Dispose();
            throw;
        }

        _open.Add(socket);
        return new NetworkStream(socket, ownsSocket: true);
    }
}
