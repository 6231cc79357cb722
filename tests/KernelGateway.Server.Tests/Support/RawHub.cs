using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace KernelGateway.Server.Tests.Support;

/// <summary>Speaks the SignalR JSON protocol by hand, so that what is on the wire is tested and not what a client library makes of it.</summary>
internal sealed class RawHub : IAsyncDisposable
{
    private const byte RecordSeparator = 0x1e;

    private readonly ClientWebSocket _socket = new();
    private readonly List<byte> _received = [];
    private int _nextInvocation;

    public static async Task<RawHub> ConnectAsync(LiveGateway gateway, string key)
    {
        var hub = new RawHub();
        await hub._socket.ConnectAsync(new Uri($"ws://{gateway.Address.Authority}/hubs/sandboxes?access_token={key}"), CancellationToken.None);
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
        var id = await BeginAsync(4, method, arguments);
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

    /// <summary>Completes when the gateway has closed the connection, in whatever way.</summary>
    public async Task EndedAsync()
    {
        var buffer = new byte[4096];
        try
        {
            while ((await _socket.ReceiveAsync(buffer, CancellationToken.None)).MessageType != WebSocketMessageType.Close)
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
        return ValueTask.CompletedTask;
    }

    private async Task<string> BeginAsync(int type, string method, object?[] arguments)
    {
        var id = (++_nextInvocation).ToString(System.Globalization.CultureInfo.InvariantCulture);
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
        _socket.SendAsync((byte[])[.. Encoding.UTF8.GetBytes(message.ToJsonString()), RecordSeparator], WebSocketMessageType.Text, true, CancellationToken.None);

    private async Task<JsonElement> ReceiveAsync()
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
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

            var part = await _socket.ReceiveAsync(buffer, deadline.Token);
            part.MessageType.Should().NotBe(WebSocketMessageType.Close, "the hub must stay open");
            _received.AddRange(buffer.AsSpan(0, part.Count));
        }
    }
}
