using System.Text;
using KernelGateway.Jupyter.Messaging;
using KernelGateway.Jupyter.Zmtp;

namespace KernelGateway.Jupyter;

/// <summary>The channels: one socket and one reading loop each.</summary>
public sealed partial class KernelClient
{
    // Enough to see that there was a message; when IOPub is only a wake-up call, nothing more is wanted of it.
    private const int WakeUpFrameBytes = 64 * 1024;

    private ZmtpSocket? _shell;
    private ZmtpSocket? _control;
    private ZmtpSocket? _stdin;
    private ZmtpSocket? _iopub;
    private long _dropped;
    private long _unclaimed;

    // Cancelled to wake the IOPub loop when it waits for messages; replaced by that loop alone.
    private volatile CancellationTokenSource _iopubNudge = new();
    private int _iopubConnection = 1;

    private async Task OpenAsync(CancellationToken cancellationToken)
    {
        var shell = ConnectAsync(KernelChannel.Shell, cancellationToken);
        var control = ConnectAsync(KernelChannel.Control, cancellationToken);
        var stdin = ConnectAsync(KernelChannel.Stdin, cancellationToken);
        var iopub = ConnectAsync(KernelChannel.Iopub, cancellationToken);

        // All are waited for even if one fails, so that dispose finds all that were opened.
        await ((Task)Task.WhenAll(shell, control, stdin, iopub)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _shell = Opened(shell);
        _control = Opened(control);
        _stdin = Opened(stdin);
        _iopub = Opened(iopub);
        await Task.WhenAll(shell, control, stdin, iopub);
        await _iopub!.SubscribeAsync(ReadOnlyMemory<byte>.Empty, cancellationToken);
        _ = GuardAsync(() => ReadRepliesAsync(KernelChannel.Shell, _shell!));
        _ = GuardAsync(() => ReadRepliesAsync(KernelChannel.Control, _control!));
        _ = GuardAsync(() => ReadInputRequestsAsync(_stdin!));
        _ = GuardAsync(() => ReadIopubAsync(_iopub));
    }

    private static ZmtpSocket? Opened(Task<ZmtpSocket> opening) =>
        opening.IsCompletedSuccessfully ? opening.GetAwaiter().GetResult() : null;

    private Task<ZmtpSocket> ConnectAsync(KernelChannel channel, CancellationToken cancellationToken)
    {
        var isIpc = _connection.Transport == "ipc";
        var address = _connection.Endpoint(channel);
        var endpoint = _options.SocketDirectory is { } folder && isIpc
            ? ZmtpEndpoint.InDirectory(folder, address[(address.LastIndexOf('/') + 1)..])
            : ZmtpEndpoint.Parse(address) with { NoFollow = _options.NoFollow && isIpc };
        var type = channel switch
        {
            KernelChannel.Iopub => ZmtpSocketType.Sub,
            KernelChannel.Heartbeat => ZmtpSocketType.Req,
            _ => ZmtpSocketType.Dealer,
        };
        var isSmall = channel == KernelChannel.Heartbeat || (channel == KernelChannel.Iopub && _options.OnIopubActivity is not null);
        return ZmtpSocket.ConnectAsync(
            endpoint with { ExpectedPeerUid = isIpc ? _options.ExpectedPeerUid : null },
            type,
            new ZmtpOptions
            {
                // The same on shell and stdin: the kernel asks for input at the identity that sent the code.
                Identity = type == ZmtpSocketType.Dealer ? Encoding.UTF8.GetBytes(_options.Identity) : default(ReadOnlyMemory<byte>),
                MaxFrameBytes = isSmall ? Math.Min(WakeUpFrameBytes, _options.MaxMessageBytes) : _options.MaxMessageBytes,
                MaxMessageBytes = _options.MaxMessageBytes,
                ConnectTimeout = _options.ConnectTimeout,
                SendTimeout = _options.SendTimeout,
                TimeProvider = _options.TimeProvider,
                StateChanged = channel == KernelChannel.Iopub ? IopubStateChanged : null,
            },
            cancellationToken);
    }

    /// <summary>Runs a loop; whatever ends it is the end of the client, because nobody would notice a silent channel.</summary>
    private async Task GuardAsync(Func<Task> loop)
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
                Fail(new KernelException($"{what}: {e.Message}", e));
            }
        }
    }

    private async Task ReadRepliesAsync(KernelChannel channel, ZmtpSocket socket)
    {
        using var signer = new MessageSigner(_connection.Key);
        while (true)
        {
            var received = await socket.ReceiveAsync(_stop.Token);
            if (received.Oversize)
            {
                RefuseOversize(channel, received);
            }
            else if (WireFormat.Read(received.Frames, signer, out var message) != MessageFault.None)
            {
                Interlocked.Increment(ref _dropped);
            }
            else if (!IsReply(message!) || !(_pending.TryComplete(channel, message!) || ProbeReplied(channel, message!)))
            {
                Interlocked.Increment(ref _unclaimed);
            }

            _options.OnIopubActivity?.Invoke(); // A reply is as good a reason to look at the log.
        }
    }

    private async Task ReadInputRequestsAsync(ZmtpSocket socket)
    {
        using var signer = new MessageSigner(_connection.Key);
        while (true)
        {
            var received = await socket.ReceiveAsync(_stop.Token);
            if (received.Oversize || WireFormat.Read(received.Frames, signer, out var message) != MessageFault.None)
            {
                Interlocked.Increment(ref _dropped);
            }
            else if (message!.MsgType == MessageTypes.InputRequest && _options.OnInputRequest is { } handler)
            {
                await UnlessStoppedAsync(handler(message));
            }

            _options.OnIopubActivity?.Invoke();
        }
    }

    private async Task ReadIopubAsync(ZmtpSocket socket)
    {
        using var signer = new MessageSigner(_connection.Key);
        var connection = 1;
        while (true)
        {
            ZmtpMessage? received = null;
            var nudge = _iopubNudge;
            try
            {
                received = await socket.ReceiveAsync(nudge.Token);
            }
            catch (OperationCanceledException)
            {
                // Only when nothing is left to be taken.
                _stop.Token.ThrowIfCancellationRequested();
                _iopubNudge = new CancellationTokenSource();
            }

            // Told between the last message before the cut and the first one after it.
            var current = received?.ConnectionNumber ?? Volatile.Read(ref _iopubConnection);
            if (current > connection)
            {
                connection = current;
                _options.OnIopubReconnected?.Invoke();
                OutputsMayBeLost();
            }

            if (_options.OnIopubActivity is { } activity)
            {
                if (received is not null)
                {
                    IopubSpokeToAllProbes();
                }

                activity();
            }
            else if (received is not null)
            {
                await TakeOutputAsync(received, signer);
            }
        }
    }

    private async ValueTask TakeOutputAsync(ZmtpMessage received, MessageSigner signer)
    {
        JupyterMessage? message = null;
        var fault = received.Oversize ? MessageFault.Oversize : WireFormat.Read(received.Frames, signer, out message);
        if (message is null)
        {
            Interlocked.Increment(ref _dropped);
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

    // Anything else must not take the place of the reply, which would then be nobody's.
    private static bool IsReply(JupyterMessage message) => message.MsgType.EndsWith("_reply", StringComparison.Ordinal);

    /// <summary>The frames before the one that was too large usually tell whose reply it is: that request must not wait for ever.</summary>
    private void RefuseOversize(KernelChannel channel, ZmtpMessage received)
    {
        Interlocked.Increment(ref _dropped);
        if (WireFormat.FindParent(received.Frames) is { } parent)
        {
            _pending.TryFail(channel, parent, new KernelException(
                $"The kernel's reply of {received.TotalBytes} bytes is larger than the {_options.MaxMessageBytes} bytes allowed."));
        }
    }

    // A handler of the owner must not keep dispose from ending: it may wait for the very one who disposes.
    private ValueTask UnlessStoppedAsync(ValueTask handling) =>
        handling.IsCompletedSuccessfully ? handling : new ValueTask(handling.AsTask().WaitAsync(_stop.Token));

    private void IopubStateChanged(ZmtpStateChange change)
    {
        if (change is { State: ZmtpState.Connected, ConnectionNumber: > 1 })
        {
            Volatile.Write(ref _iopubConnection, change.ConnectionNumber);
            NudgeIopub();
        }
        else if (change.State == ZmtpState.Closed)
        {
            NudgeIopub();
        }
    }

    // Not inline: the reading of the socket must not find itself running the owner's handlers.
    private void NudgeIopub() => _ = _iopubNudge.CancelAsync();

    private ZmtpSocket Socket(KernelChannel channel) => channel switch
    {
        KernelChannel.Shell => _shell!,
        KernelChannel.Control => _control!,
        KernelChannel.Stdin => _stdin!,
        _ => throw new ArgumentOutOfRangeException(nameof(channel), channel, "Messages are sent on shell, control and stdin."),
    };
}
