using System.Runtime.CompilerServices;
using System.Threading.Channels;
using KernelGateway.Jupyter.Messaging;

namespace KernelGateway.Jupyter;

/// <summary>Messages between the IOPub loop and one reader; above its limit in bytes the loop waits.</summary>
internal sealed class OutputBuffer(long maxBytes)
{
    // What a message costs beside its bytes, so that a flood of empty ones counts as well.
    private const int MessageOverhead = 512;

    private readonly Channel<JupyterMessage> _messages =
        Channel.CreateUnbounded<JupyterMessage>(new UnboundedChannelOptions { SingleReader = true, SingleWriter = false });

    private readonly Lock _gate = new();
    private long _bytes;
    private bool _closed;
    private TaskCompletionSource? _room;

    /// <summary>Adds a message and completes when there is room for the next one, or when nobody reads any more.</summary>
    public ValueTask AddAsync(JupyterMessage message)
    {
        lock (_gate)
        {
            if (_closed)
            {
                return ValueTask.CompletedTask;
            }

            _messages.Writer.TryWrite(message);
            _bytes += Cost(message);
            if (_bytes <= maxBytes)
            {
                return ValueTask.CompletedTask;
            }

            _room = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return new ValueTask(_room.Task);
        }
    }

    /// <summary>No more messages will come; those that are here can still be read, then the reason is thrown.</summary>
    public void Close(Exception? reason = null)
    {
        lock (_gate)
        {
            _closed = true;
            _messages.Writer.TryComplete(reason);
            _room?.TrySetResult();
        }
    }

    /// <summary>Drops what is here.</summary>
    public void Clear()
    {
        while (_messages.Reader.TryRead(out _))
        {
            // Dropped.
        }
    }

    public async IAsyncEnumerable<JupyterMessage> ReadAllAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        while (await _messages.Reader.WaitToReadAsync(cancellationToken))
        {
            while (_messages.Reader.TryRead(out var message))
            {
                Taken(message);
                yield return message;
            }
        }
    }

    private static long Cost(JupyterMessage message) => MessageOverhead + message.TotalBytes;

    private void Taken(JupyterMessage message)
    {
        lock (_gate)
        {
            _bytes -= Cost(message);

            // At half: waking the loop for every single message would cost more than the message.
            if (_room is { } room && _bytes <= maxBytes / 2)
            {
                _room = null;
                room.TrySetResult();
            }
        }
    }
}
