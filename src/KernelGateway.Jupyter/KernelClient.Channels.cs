using KernelGateway.Jupyter.Messaging;
using KernelGateway.Jupyter.Zmtp;

namespace KernelGateway.Jupyter;

/// <summary>What arrives on the channels, and whom it is for.</summary>
public sealed partial class KernelClient
{
    private long _dropped;
    private long _unclaimed;

    /// <summary>Is cancelled when the client is closed.</summary>
    internal CancellationToken Stopped => _stop.Token;

    /// <summary>Runs a loop; whatever ends it is the end of the client, because nobody would notice a silent channel.</summary>
    internal async Task GuardAsync(Func<Task> loop)
    {
        try
        {
            await loop();
        }
        catch (Exception e)
        {
            if (!_stop.IsCancellationRequested)
            {
                var what = e is ZmtpException ? "The connection to the kernel has ended" : "What the kernel sent could not be taken";
                Fail(e is KernelException ? e : new KernelException($"{what}: {e.Message}", e));
            }
        }
    }

    /// <summary>Counts a message that could not be used.</summary>
    internal void Drop() => Interlocked.Increment(ref _dropped);

    /// <summary>Takes what came on shell or control.</summary>
    internal ValueTask TakeReplyAsync(KernelChannel channel, JupyterMessage message)
    {
        // Anything else must not take the place of the reply, which would then be nobody's.
        if (message.MsgType.EndsWith("_reply", StringComparison.Ordinal) && (_pending.TryComplete(channel, message) || ProbeReplied(channel, message)))
        {
            return ValueTask.CompletedTask;
        }

        Interlocked.Increment(ref _unclaimed);
        return channel == KernelChannel.Shell && _options.OnUnclaimedReply is { } handler ? UnlessStoppedAsync(handler(message)) : ValueTask.CompletedTask;
    }

    /// <summary>A reply was too large: who waits for it must not wait for ever.</summary>
    internal void RefuseReply(KernelChannel channel, string? parent, long bytes)
    {
        Drop();
        var isPending = parent is not null && _pending.TryFail(channel, parent, new KernelException(
            $"The kernel's reply of {bytes} bytes is larger than the {_options.MaxMessageBytes} bytes allowed."));
        if (!isPending && channel == KernelChannel.Shell && _options.OnUnclaimedReply is not null)
        {
            _options.OnIopubDropped?.Invoke(MessageFault.Oversize);
        }
    }

    /// <summary>Takes what came on stdin.</summary>
    internal ValueTask TakeInputRequestAsync(JupyterMessage message) =>
        message.MsgType == MessageTypes.InputRequest && _options.OnInputRequest is { } handler ? UnlessStoppedAsync(handler(message)) : ValueTask.CompletedTask;

    /// <summary>Takes what came on IOPub.</summary>
    /// <param name="message">The message; null when it cannot be used.</param>
    /// <param name="fault">Why it cannot.</param>
    internal async ValueTask TakeOutputAsync(JupyterMessage? message, MessageFault fault)
    {
        if (message is null)
        {
            Drop();
            _options.OnIopubDropped?.Invoke(fault);
            return;
        }

        var parent = message.ParentMsgId ?? "";
        if (_executions.TryGetValue(parent, out var execution))
        {
            await UnlessStoppedAsync(execution.OutputArrivedAsync(message));
        }

        TellCommListener(message);
        if (_options.OnIopub is { } handler)
        {
            await UnlessStoppedAsync(handler(message));
        }

        // Last: ready means that the owner could take what was published.
        if (_probes.TryGetValue(parent, out var probe))
        {
            probe.IopubSpoke();
        }
    }

    /// <summary>Nobody listened to IOPub for a while, and now somebody does again.</summary>
    internal void OutputReconnected()
    {
        _options.OnIopubReconnected?.Invoke();
        OutputsMayBeLost();
    }

    // A handler of the owner must not keep dispose from ending: it may wait for the very one who disposes.
    private ValueTask UnlessStoppedAsync(ValueTask handling) =>
        handling.IsCompletedSuccessfully ? handling : new ValueTask(handling.AsTask().WaitAsync(_stop.Token));
}
