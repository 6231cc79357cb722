using System.Buffers;
using System.IO.Pipelines;
using System.Net.WebSockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http.Features;

namespace KernelGateway.Client.Connections;

/// <summary>One WebSocket as two pipes: what SignalR reads and writes. Owns the socket.</summary>
internal sealed class WebSocketConnection : ConnectionContext, IDuplexPipe
{
    private static readonly TimeSpan CloseDeadline = TimeSpan.FromSeconds(2);

    // The thresholds push back on the peer through TCP; SignalR examines all it has before it waits, so a longer message cannot block.
    private static readonly PipeOptions Options = new(pauseWriterThreshold: 256 * 1024, resumeWriterThreshold: 128 * 1024, useSynchronizationContext: false);

    private readonly ClientWebSocket _socket;
    private readonly Pipe _incoming = new(Options);
    private readonly Pipe _outgoing = new(Options);
    private readonly CancellationTokenSource _closed = new();
    private readonly Task _pumps;
    private int _disposed;

    public WebSocketConnection(ClientWebSocket socket)
    {
        _socket = socket;
        _pumps = Task.WhenAll(ReceiveAsync(), SendAsync());
    }

    public override string ConnectionId { get; set; } = Guid.NewGuid().ToString("N");

    public override IFeatureCollection Features { get; } = new FeatureCollection();

    public override IDictionary<object, object?> Items { get; set; } = new Dictionary<object, object?>();

    public override IDuplexPipe Transport { get => this; set => throw new NotSupportedException(); }

    public PipeReader Input => _incoming.Reader;

    public PipeWriter Output => _outgoing.Writer;

    public override void Abort(ConnectionAbortedException abortReason)
    {
        if (Volatile.Read(ref _disposed) == 0)
        {
            _closed.Cancel();
        }
    }

    public override async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
        {
            await _outgoing.Writer.CompleteAsync();
            await _incoming.Reader.CompleteAsync();
            _closed.CancelAfter(CloseDeadline);
            await _pumps;
            _socket.Dispose();
            _closed.Dispose();
        }

        await base.DisposeAsync();
    }

    private async Task ReceiveAsync()
    {
        try
        {
            while (true)
            {
                var received = await _socket.ReceiveAsync(_incoming.Writer.GetMemory(16 * 1024), _closed.Token);
                if (received.MessageType == WebSocketMessageType.Close)
                {
                    break;
                }

                _incoming.Writer.Advance(received.Count);
                var flushed = await _incoming.Writer.FlushAsync(_closed.Token);
                if (flushed.IsCompleted)
                {
                    break;
                }
            }
        }
        catch (Exception e) when (e is WebSocketException or OperationCanceledException or IOException or ObjectDisposedException)
        {
            // A cut is an end like any other: a pipe that is completed with an error would throw away what has arrived before it.
        }

        await _incoming.Writer.CompleteAsync();
        // Whoever still sends would wait for a peer that is gone.
        _outgoing.Reader.CancelPendingRead();
    }

    private async Task SendAsync()
    {
        Exception? reason = null;
        try
        {
            while (true)
            {
                var read = await _outgoing.Reader.ReadAsync();
                if (!read.Buffer.IsEmpty)
                {
                    await SendAsync(read.Buffer);
                }

                _outgoing.Reader.AdvanceTo(read.Buffer.End);
                if (read.IsCompleted || read.IsCanceled)
                {
                    break;
                }
            }

            await _socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, _closed.Token);
        }
        catch (Exception e) when (e is WebSocketException or OperationCanceledException or IOException or ObjectDisposedException)
        {
            reason = e;
            _closed.Cancel();
        }

        await _outgoing.Reader.CompleteAsync(reason);
    }

    // One flush is one message: a UTF-8 character must not be cut between two text messages.
    private async Task SendAsync(ReadOnlySequence<byte> bytes)
    {
        var rest = bytes;
        while (!rest.IsEmpty)
        {
            var part = rest.First;
            rest = rest.Slice(part.Length);
            await _socket.SendAsync(part, WebSocketMessageType.Text, rest.IsEmpty, _closed.Token);
        }
    }
}
