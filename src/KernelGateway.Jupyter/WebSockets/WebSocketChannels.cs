using System.Net.WebSockets;
using KernelGateway.Jupyter.Messaging;

namespace KernelGateway.Jupyter.WebSockets;

/// <summary>
/// All channels of a kernel over the one WebSocket of its server. The session's name stays the same when it is connected
/// again: a Jupyter Server keeps for it what the kernel says meanwhile, but what was on the wire is lost.
/// </summary>
internal sealed class WebSocketChannels : IKernelChannels
{
    private const int SmallBuffer = 64 * 1024;
    private const int LargeBuffer = 1 << 20;

    private readonly KernelClientOptions _options;
    private readonly KernelClient _client;
    private readonly ServerConnector _connector;
    private readonly SemaphoreSlim _turn = new(1, 1);

    // The live connection; replaced by the reading loop alone.
    private volatile TaskCompletionSource<ClientWebSocket> _connected = NewConnection();
    private byte[] _buffer = new byte[SmallBuffer];

    public WebSocketChannels(ServerKernel kernel, KernelClientOptions options, KernelClient client)
    {
        _options = options;
        _client = client;
        _connector = new ServerConnector(kernel, options);
    }

    public async Task OpenAsync(CancellationToken cancellationToken)
    {
        if (_options.OnIopubActivity is not null)
        {
            throw new NotSupportedException("A kernel in a server keeps no log beside its IOPub channel.");
        }

        var socket = await _connector.ConnectAsync(_options.ConnectTimeout, cancellationToken);
        _connected.SetResult(socket);
        _ = _client.GuardAsync(() => ReadAsync(socket));
    }

    public async ValueTask SendAsync(KernelChannel channel, JupyterMessage message, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(_options.SendTimeout, _options.TimeProvider);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        var locked = false;
        try
        {
            var socket = await _connected.Task.WaitAsync(either.Token);
            await _turn.WaitAsync(either.Token);
            locked = true;

            // Not the caller's token: a frame of which a part is out would take the connection with it.
            var isText = false;
            var bytes = socket.SubProtocol == ServerKernel.BinaryProtocol ? BinaryFrames.Write(channel, message) : JsonFrames.Write(channel, message, out isText);
            await socket.SendAsync(bytes.AsMemory(), isText ? WebSocketMessageType.Text : WebSocketMessageType.Binary, true, deadline.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new KernelException($"The message could not be sent to the kernel's server within {_options.SendTimeout.TotalSeconds:0.#} s.");
        }
        catch (Exception e) when (e is WebSocketException or InvalidOperationException or IOException)
        {
            throw new KernelException($"The connection to the kernel's server broke while a message was sent; it may or may not have arrived: {e.Message}", e);
        }
        finally
        {
            if (locked)
            {
                _turn.Release();
            }
        }
    }

    /// <summary>Whether the server is there; nothing that the kernel itself would have to answer, which may be busy.</summary>
    public async Task<TimeSpan> PingAsync(CancellationToken cancellationToken)
    {
        var start = _options.TimeProvider.GetTimestamp();
        await _connected.Task.WaitAsync(cancellationToken);
        return _options.TimeProvider.GetElapsedTime(start);
    }

    public ValueTask DisposeAsync()
    {
        if (_connected.Task is { IsCompletedSuccessfully: true } open)
        {
            open.GetAwaiter().GetResult().Dispose();
        }

        _connected.TrySetCanceled(CancellationToken.None);
        _connector.Dispose();
        return ValueTask.CompletedTask;
    }

    private static TaskCompletionSource<ClientWebSocket> NewConnection() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private async Task ReadAsync(ClientWebSocket socket)
    {
        while (true)
        {
            var since = _options.TimeProvider.GetTimestamp();
            try
            {
                await ReadMessagesAsync(socket);
            }
            catch (Exception e) when (e is WebSocketException or IOException or ObjectDisposedException or OperationCanceledException && !_client.Stopped.IsCancellationRequested)
            {
                // Lost, or closed by the server: either way it is tried again, and the server says whether there is still a kernel.
            }

            _client.Stopped.ThrowIfCancellationRequested();
            _connected = NewConnection();
            socket.Dispose();
            socket = await _connector.ReconnectAsync(_options.TimeProvider.GetElapsedTime(since), _client.Stopped);
            _client.OutputReconnected();
            _connected.TrySetResult(socket);
            if (_client.Stopped.IsCancellationRequested)
            {
                socket.Dispose();
            }
        }
    }

    private async Task ReadMessagesAsync(ClientWebSocket socket)
    {
        while (true)
        {
            var (kept, total) = (0, 0L);
            ValueWebSocketReceiveResult part;
            do
            {
                // What is over the limit is read into the end of the buffer, again and again.
                var room = RoomAt(ref kept);
                part = await socket.ReceiveAsync(room, _client.Stopped);
                if (part.MessageType == WebSocketMessageType.Close)
                {
                    return;
                }

                kept = (int)Math.Min(kept + (long)part.Count, _options.MaxMessageBytes);
                total += part.Count;
            }
            while (!part.EndOfMessage);
            await TakeAsync(socket, kept, total, part.MessageType == WebSocketMessageType.Text);
            if (_buffer.Length > LargeBuffer)
            {
                _buffer = new byte[SmallBuffer];
            }
        }
    }

    private Memory<byte> RoomAt(ref int kept)
    {
        if (kept == _buffer.Length && _buffer.Length < _options.MaxMessageBytes)
        {
            Array.Resize(ref _buffer, (int)Math.Min(_buffer.Length * 2L, _options.MaxMessageBytes));
        }

        return kept < _buffer.Length ? _buffer.AsMemory(kept) : _buffer.AsMemory(_buffer.Length / 2);
    }

    private async ValueTask TakeAsync(ClientWebSocket socket, int kept, long total, bool isText)
    {
        var isBinaryForm = socket.SubProtocol == ServerKernel.BinaryProtocol;
        if (total > kept)
        {
            await RefuseAsync(_buffer.AsMemory(0, Math.Min(kept, _buffer.Length / 2)), total, isBinaryForm);
            return;
        }

        // A copy: the message keeps its bytes.
        ReadOnlyMemory<byte> bytes = _buffer.AsSpan(0, kept).ToArray();
        JupyterMessage? message;
        KernelChannel channel;
        var fault = !isBinaryForm ? JsonFrames.Read(bytes, isText, out channel, out message)
            : isText ? Unreadable(out channel, out message)
            : BinaryFrames.Read(bytes, out channel, out message);
        if (message is null)
        {
            // What cannot be read may have been an output.
            await _client.TakeOutputAsync(null, fault);
            return;
        }

        await (channel switch
        {
            KernelChannel.Iopub => _client.TakeOutputAsync(message, MessageFault.None),
            KernelChannel.Stdin => _client.TakeInputRequestAsync(message),
            _ => _client.TakeReplyAsync(channel, message),
        });
    }

    private ValueTask RefuseAsync(ReadOnlyMemory<byte> start, long total, bool isBinaryForm)
    {
        if (isBinaryForm && BinaryFrames.TryReadStart(start, total, out var channel, out var parent) && channel is KernelChannel.Shell or KernelChannel.Control)
        {
            _client.RefuseReply(channel, parent, total);
            return ValueTask.CompletedTask;
        }

        return _client.TakeOutputAsync(null, MessageFault.Oversize);
    }

    private static MessageFault Unreadable(out KernelChannel channel, out JupyterMessage? message)
    {
        channel = default;
        message = null;
        return MessageFault.MalformedFrame;
    }
}
