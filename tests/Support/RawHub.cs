using System.Globalization;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace KernelGateway.Testing;

/// <summary>Speaks the SignalR JSON protocol by hand, so that what is on the wire is tested and not what a client library makes of it, and a test decides how slowly it is read.</summary>
internal sealed class RawHub : IAsyncDisposable
{
    private const byte RecordSeparator = 0x1e;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly SocketsHttpHandler _handler = new();
    private readonly ClientWebSocket _socket = new();
    private readonly List<byte> _received = [];
    private int _nextInvocation;

    /// <summary>Connects and shakes hands.</summary>
    /// <param name="gateway">The address of the gateway.</param>
    /// <param name="key">Whose calls these are.</param>
    /// <param name="receiveBuffer">Bytes that the kernel of the host may take off the line before they are read; small, so that what is not read stays in the gateway. Without it, the host decides.</param>
    public static async Task<RawHub> ConnectAsync(Uri gateway, string key, int? receiveBuffer = null)
    {
        var hub = new RawHub();
        if (receiveBuffer is { } bytes)
        {
            hub._handler.ConnectCallback = (context, cancellationToken) => ConnectAsync(context.DnsEndPoint, bytes, cancellationToken);
        }

        using var invoker = new HttpMessageInvoker(hub._handler, disposeHandler: false);
        await hub._socket.ConnectAsync(new Uri($"ws://{gateway.Authority}/hubs/sandboxes?access_token={key}"), invoker, CancellationToken.None);
        await hub.SendAsync(new JsonObject { ["protocol"] = "json", ["version"] = 1 });
        (await hub.ReceiveAsync()).ToString().Should().Be("{}", "the handshake must be accepted");
        return hub;
    }

    /// <summary>Calls a method and waits for its completion; stream items of other calls are skipped.</summary>
    public async Task<JsonElement> InvokeAsync(string method, params object?[] arguments)
    {
        var id = await BeginAsync(1, method, arguments);
        while (true)
        {
            var message = await ReceiveAsync();
            if (message.GetProperty("type").GetInt32() == 3 && message.GetProperty("invocationId").GetString() == id)
            {
                return message;
            }
        }
    }

    /// <summary>Calls a method and does not wait; that the hub hangs up in the middle of it is no error.</summary>
    public async Task SendAsync(string method, params object?[] arguments)
    {
        try
        {
            await BeginAsync(1, method, arguments);
        }
        catch (WebSocketException)
        {
            // It has seen enough.
        }
    }

    /// <summary>Starts a stream and gives its items, then ends; a completion with an error is thrown.</summary>
    public async IAsyncEnumerable<JsonElement> StreamAsync(string method, params object?[] arguments)
    {
        var id = await BeginStreamAsync(method, arguments);
        while (true)
        {
            var message = await ReceiveAsync();
            if (!message.TryGetProperty("invocationId", out var of) || of.GetString() != id)
            {
                continue;
            }

            if (message.GetProperty("type").GetInt32() == 2)
            {
                yield return message.GetProperty("item");
                continue;
            }

            if (message.TryGetProperty("error", out var error))
            {
                throw new InvalidOperationException(error.GetString());
            }

            yield break;
        }
    }

    /// <summary>Starts a stream, which is read with <see cref="ReadAsync"/>; gives its id.</summary>
    public Task<string> BeginStreamAsync(string method, params object?[] arguments) => BeginAsync(4, method, arguments);

    /// <summary>Without it the gateway takes a client that only reads for gone after half a minute.</summary>
    public Task PingAsync() => SendAsync(new JsonObject { ["type"] = 6 });

    /// <summary>Takes at most so many bytes off the line, whatever they say; 0 at its end.</summary>
    public async Task<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        var part = await _socket.ReceiveAsync(buffer, cancellationToken);
        return part.MessageType == WebSocketMessageType.Close ? 0 : part.Count;
    }

    /// <summary>Completes when the gateway has closed the connection, in whatever way.</summary>
    public async Task EndedAsync()
    {
        var buffer = new byte[4096];
        try
        {
            while (await ReadAsync(buffer, CancellationToken.None) > 0)
            {
            }
        }
        catch (WebSocketException)
        {
            // Cut without a word.
        }
    }

    public ValueTask DisposeAsync()
    {
        _socket.Abort();
        _socket.Dispose();
        _handler.Dispose();
        return ValueTask.CompletedTask;
    }

    private async Task<string> BeginAsync(int type, string method, object?[] arguments)
    {
        var id = (++_nextInvocation).ToString(CultureInfo.InvariantCulture);
        await SendAsync(new JsonObject
        {
            ["type"] = type,
            ["invocationId"] = id,
            ["target"] = method,
            ["arguments"] = JsonSerializer.SerializeToNode(arguments, JsonSerializerOptions.Web),
        });
        return id;
    }

    private Task SendAsync(JsonObject message) =>
        _socket.SendAsync((byte[])[.. JsonSerializer.SerializeToUtf8Bytes(message), RecordSeparator], WebSocketMessageType.Text, true, CancellationToken.None);

    private async Task<JsonElement> ReceiveAsync()
    {
        using var deadline = new CancellationTokenSource(Patience);
        var buffer = new byte[64 << 10];
        while (true)
        {
            var end = _received.IndexOf(RecordSeparator);
            if (end >= 0)
            {
                var message = JsonDocument.Parse(_received.GetRange(0, end).ToArray()).RootElement;
                _received.RemoveRange(0, end + 1);
                if (!message.TryGetProperty("type", out var type) || type.GetInt32() != 6)
                {
                    return message;
                }

                continue;
            }

            var count = await ReadAsync(buffer, deadline.Token);
            count.Should().BePositive("the hub must stay open");
            _received.AddRange(buffer.AsSpan(0, count));
        }
    }

    private static async ValueTask<Stream> ConnectAsync(System.Net.DnsEndPoint to, int receiveBuffer, CancellationToken cancellationToken)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = receiveBuffer, NoDelay = true };
        try
        {
            await socket.ConnectAsync(to, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
