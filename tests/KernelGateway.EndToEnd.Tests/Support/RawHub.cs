using System.Net.Sockets;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;

namespace KernelGateway.EndToEnd.Tests.Support;

/// <summary>A hub client by hand, which decides itself how slowly it reads.</summary>
internal sealed class RawHub : IAsyncDisposable
{
    private const byte RecordSeparator = 0x1e;

    private readonly SocketsHttpHandler _handler = new() { ConnectCallback = ConnectAsync };
    private readonly ClientWebSocket _socket = new();

    public static async Task<RawHub> ConnectAsync(GatewayProcess gateway, CancellationToken cancellationToken)
    {
        var hub = new RawHub();
        using var invoker = new HttpMessageInvoker(hub._handler, disposeHandler: false);
        await hub._socket.ConnectAsync(new Uri($"ws://{gateway.Address.Authority}/hubs/sandboxes?access_token={gateway.Key}"), invoker, cancellationToken);
        await hub.SendAsync(new { protocol = "json", version = 1 }, cancellationToken);
        (await hub.ReceiveAsync(cancellationToken)).Should().Be("{}", "the handshake must be accepted");
        return hub;
    }

    /// <summary>Calls a method and waits until it has succeeded.</summary>
    public async Task InvokeAsync(string method, object?[] arguments, CancellationToken cancellationToken)
    {
        await SendAsync(new { type = 1, invocationId = "1", target = method, arguments }, cancellationToken);
        while (true)
        {
            using var message = JsonDocument.Parse(await ReceiveAsync(cancellationToken));
            if (message.RootElement.GetProperty("type").GetInt32() == 3)
            {
                message.RootElement.TryGetProperty("error", out var error).Should().BeFalse($"it answered: {error}");
                return;
            }
        }
    }

    public Task BeginStreamAsync(string sandboxId, long after, CancellationToken cancellationToken) =>
        SendAsync(new { type = 4, invocationId = "1", target = "StreamEvents", arguments = new object[] { sandboxId, after } }, cancellationToken);

    /// <summary>Without it the gateway takes the client for gone after half a minute.</summary>
    public Task PingAsync(CancellationToken cancellationToken) => SendAsync(new { type = 6 }, cancellationToken);

    /// <summary>Takes at most so many bytes off the line; 0 at its end.</summary>
    public async Task<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        var part = await _socket.ReceiveAsync(buffer, cancellationToken);
        return part.MessageType == WebSocketMessageType.Close ? 0 : part.Count;
    }

    public ValueTask DisposeAsync()
    {
        _socket.Abort();
        _socket.Dispose();
        _handler.Dispose();
        return ValueTask.CompletedTask;
    }

    private Task SendAsync(object message, CancellationToken cancellationToken) =>
        _socket.SendAsync((byte[])[.. JsonSerializer.SerializeToUtf8Bytes(message), RecordSeparator], WebSocketMessageType.Text, true, cancellationToken);

    private async Task<string> ReceiveAsync(CancellationToken cancellationToken)
    {
        var received = new List<byte>();
        var one = new byte[1];
        while (await ReadAsync(one, cancellationToken) > 0)
        {
            if (one[0] == RecordSeparator)
            {
                return Encoding.UTF8.GetString(received.ToArray());
            }

            received.Add(one[0]);
        }

        throw new AssertionException($"The hub closed the connection after: {Encoding.UTF8.GetString(received.ToArray())}");
    }

    /// <summary>With a small receive buffer, so that what is not read stays in the gateway and not in the kernel of the host.</summary>
    private static async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 4096, NoDelay = true };
        try
        {
            await socket.ConnectAsync(context.DnsEndPoint, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
