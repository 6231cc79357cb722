using KernelGateway.Jupyter.Messaging;

namespace KernelGateway.Jupyter;

/// <summary>The requests whose reply has not come, by id. A reply counts only on the channel its request went out on; the first one wins.</summary>
internal sealed class PendingReplies(int capacity)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Entry> _entries = new(StringComparer.Ordinal);

    /// <summary>Begins to expect a reply.</summary>
    /// <exception cref="KernelException">Too many are expected already.</exception>
    /// <exception cref="ArgumentException">One with this id is expected already.</exception>
    public Task<JupyterMessage> Expect(KernelChannel channel, string msgId)
    {
        // Not inline: the caller's code must not run in the loop that reads the channel.
        var entry = new Entry(channel, new TaskCompletionSource<JupyterMessage>(TaskCreationOptions.RunContinuationsAsynchronously));
        lock (_gate)
        {
            if (_entries.Count >= capacity)
            {
                throw new KernelException($"{capacity} requests to this kernel wait for an answer already; try again when some have come.");
            }

            if (!_entries.TryAdd(msgId, entry))
            {
                throw new ArgumentException($"A request with the id {msgId} is under way already.", nameof(msgId));
            }
        }

        return entry.Reply.Task;
    }

    /// <summary>False when nobody waits for it on this channel.</summary>
    public bool TryComplete(KernelChannel channel, JupyterMessage reply) =>
        reply.ParentMsgId is { } parent && Take(channel, parent) is { } waiting && waiting.TrySetResult(reply);

    /// <summary>Fails one request; false when there is no such request.</summary>
    public bool TryFail(KernelChannel channel, string msgId, KernelException reason)
    {
        var waiting = Take(channel, msgId);
        Fail(waiting, reason);
        return waiting is not null;
    }

    /// <summary>Stops expecting a reply. One that still comes is nobody's.</summary>
    public void Forget(string msgId)
    {
        lock (_gate)
        {
            _entries.Remove(msgId);
        }
    }

    /// <summary>Fails all, each with an exception of its own: a thrown exception must not be shared.</summary>
    public void FailAll(Func<KernelException> reason)
    {
        Entry[] entries;
        lock (_gate)
        {
            entries = [.. _entries.Values];
            _entries.Clear();
        }

        foreach (var entry in entries)
        {
            Fail(entry.Reply, reason());
        }
    }

    private static void Fail(TaskCompletionSource<JupyterMessage>? waiting, KernelException reason)
    {
        if (waiting?.TrySetException(reason) == true)
        {
            _ = waiting.Task.Exception; // Seen: the waiter may have gone.
        }
    }

    private TaskCompletionSource<JupyterMessage>? Take(KernelChannel channel, string msgId)
    {
        lock (_gate)
        {
            return _entries.TryGetValue(msgId, out var entry) && entry.Channel == channel && _entries.Remove(msgId)
                ? entry.Reply
                : null;
        }
    }

    private readonly record struct Entry(KernelChannel Channel, TaskCompletionSource<JupyterMessage> Reply);
}
