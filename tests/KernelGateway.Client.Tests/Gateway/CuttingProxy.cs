using System.Net;
using System.Net.Sockets;

namespace KernelGateway.Client.Tests.Gateway;

/// <summary>Stands before a gateway and cuts connections after a number of bytes that the test chooses, wherever in a frame that is.</summary>
internal sealed class CuttingProxy : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly Func<int> _bytesUntilCut;
    private readonly int _backend;
    private readonly Task _accepting;
    private int _connections;
    private int _cuts;

    public CuttingProxy(int backend, Func<int> bytesUntilCut)
    {
        _backend = backend;
        _bytesUntilCut = bytesUntilCut;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public Uri Address => new($"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}");

    public int Cuts => Volatile.Read(ref _cuts);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _accepting;
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        var connections = new List<Task>();
        try
        {
            while (true)
            {
                connections.Add(ServeAsync(await _listener.AcceptSocketAsync(_stop.Token)));
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            await Task.WhenAll(connections);
        }
    }

    private async Task ServeAsync(Socket client)
    {
        using var cut = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
        using var near = client;
        using var far = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        near.NoDelay = true;
        far.NoDelay = true;
        // Every other connection is reset, which also loses what was sent but not yet read; the rest end tidily.
        var reset = new LingerOption(Interlocked.Increment(ref _connections) % 2 == 0, 0);
        near.LingerState = reset;
        far.LingerState = reset;
        try
        {
            await far.ConnectAsync(IPAddress.Loopback, _backend, cut.Token);
            await Task.WhenAny(CopyAsync(near, far, int.MaxValue, cut), CopyAsync(far, near, _bytesUntilCut(), cut));
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException)
        {
            // The gateway is away: so is this connection.
        }

        await cut.CancelAsync();
    }

    private async Task CopyAsync(Socket from, Socket to, int budget, CancellationTokenSource cut)
    {
        var buffer = new byte[4096];
        try
        {
            while (budget > 0)
            {
                var read = await from.ReceiveAsync(buffer.AsMemory(0, Math.Min(buffer.Length, budget)), cut.Token);
                if (read == 0)
                {
                    return;
                }

                await to.SendAsync(buffer.AsMemory(0, read), cut.Token);
                budget -= read;
            }

            Interlocked.Increment(ref _cuts);
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // The other side of the same connection has ended it.
        }
    }
}
