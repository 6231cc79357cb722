using System.Threading.Channels;
using KernelGateway.Contracts.Events;
using Microsoft.AspNetCore.SignalR.Client;

namespace KernelGateway.Client.Events;

/// <summary>Why a feed has ended.</summary>
internal enum FeedEnd
{
    /// <summary>The gateway ended the stream.</summary>
    Completed,

    /// <summary>The reader fell behind; open again after what was read.</summary>
    Paused,

    /// <summary>The connection broke, or the gateway answered with an error.</summary>
    Failed,
}

/// <summary>
/// One subscription to a sandbox's events. SignalR buffers a stream without bound when its reader is slow, so this one
/// stops the stream when too much is unread; the journal keeps the rest until the reader comes back for it.
/// </summary>
internal sealed class EventFeed : IAsyncDisposable
{
    /// <summary>Bytes that may lie unread before the stream is stopped.</summary>
    public const long ReadAhead = 4 * 1024 * 1024;

    private readonly Channel<SandboxEvent> _unread = Channel.CreateUnbounded<SandboxEvent>(new() { SingleReader = true, SingleWriter = true });
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _pump;
    private long _unreadBytes;

    public EventFeed(HubConnection connection, string sandboxId, long after) => _pump = PumpAsync(connection, sandboxId, after);

    /// <summary>Why it ended; valid once <see cref="WaitToReadAsync"/> has answered false.</summary>
    public FeedEnd End { get; private set; }

    /// <summary>What broke it, when <see cref="End"/> is <see cref="FeedEnd.Failed"/>.</summary>
    public Exception? Failure { get; private set; }

    /// <summary>Waits for the next event; false at the end.</summary>
    public ValueTask<bool> WaitToReadAsync(CancellationToken cancellationToken) => _unread.Reader.WaitToReadAsync(cancellationToken);

    public bool TryRead(out SandboxEvent? next)
    {
        if (!_unread.Reader.TryRead(out next))
        {
            return false;
        }

        Interlocked.Add(ref _unreadBytes, -EventSize.Of(next));
        return true;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _pump;
        _stop.Dispose();
    }

    private async Task PumpAsync(HubConnection connection, string sandboxId, long after)
    {
        try
        {
            End = await CopyAsync(connection, sandboxId, after);
        }
#pragma warning disable CA1031 // Whatever broke the stream is the reader's to judge.
        catch (Exception e)
#pragma warning restore CA1031
        {
            End = FeedEnd.Failed;
            Failure = e;
        }

        await _stop.CancelAsync();
        _unread.Writer.Complete();
    }

    private async Task<FeedEnd> CopyAsync(HubConnection connection, string sandboxId, long after)
    {
        var stream = await connection.StreamAsChannelCoreAsync("StreamEvents", typeof(SandboxEvent), [sandboxId, after], _stop.Token);
        while (await stream.WaitToReadAsync(_stop.Token))
        {
            while (stream.TryRead(out var item))
            {
                var next = item as SandboxEvent ?? throw new InvalidDataException("The gateway sent an event that is empty.");
                var size = EventSize.Of(next);
                var unread = Interlocked.Add(ref _unreadBytes, size);
                if (unread > ReadAhead && unread > size)
                {
                    return FeedEnd.Paused;
                }

                _unread.Writer.TryWrite(next);
            }
        }

        return FeedEnd.Completed;
    }
}
