using System.Net;
using System.Net.Sockets;

namespace KernelGateway.Jupyter.Tests.Support;

/// <summary>Passes bytes on between a client and a port, and can be cut.</summary>
public sealed class TcpRelay : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly int _target;
    private readonly Lock _gate = new();
    private readonly List<TcpClient> _open = [];
    private readonly Task _accepting;
    private bool _isCut;
    private volatile TaskCompletionSource? _frozen;

    public TcpRelay(int target)
    {
        _target = target;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>Ends all connections; new ones end at once until <see cref="Mend"/>.</summary>
    public void Cut()
    {
        lock (_gate)
        {
            _isCut = true;
            _open.ForEach(client => client.Dispose());
            _open.Clear();
        }
    }

    /// <summary>Takes what is sent and passes nothing on, as a line does whose other end was unplugged; <see cref="Mend"/> ends it for new connections.</summary>
    public void Freeze() => _frozen = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Mend()
    {
        _frozen = null;
        lock (_gate)
        {
            _isCut = false;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        Cut();
        _listener.Dispose();
        await _accepting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (true)
        {
            var client = await _listener.AcceptTcpClientAsync(_stop.Token);
            var server = new TcpClient { NoDelay = true };
            lock (_gate)
            {
                if (_isCut)
                {
                    client.Dispose();
                    server.Dispose();
                    continue;
                }

                _open.AddRange([client, server]);
            }

            client.NoDelay = true;
            _ = PassOnAsync(client, server);
        }
    }

    private async Task PassOnAsync(TcpClient client, TcpClient server)
    {
        try
        {
            await server.ConnectAsync(IPAddress.Loopback, _target, _stop.Token);
            await Task.WhenAny(
                CopyAsync(client.GetStream(), server.GetStream()),
                CopyAsync(server.GetStream(), client.GetStream()));
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or InvalidOperationException or OperationCanceledException or IOException)
        {
            // Cut, or stopped.
        }

        client.Dispose();
        server.Dispose();
    }

    private async Task CopyAsync(NetworkStream from, NetworkStream to)
    {
        var buffer = new byte[64 * 1024];
        while (await from.ReadAsync(buffer, _stop.Token) is > 0 and var count)
        {
            if (_frozen is { } frozen)
            {
                await frozen.Task.WaitAsync(_stop.Token); // For ever: nobody completes it.
            }

            await to.WriteAsync(buffer.AsMemory(0, count), _stop.Token);
        }
    }
}
