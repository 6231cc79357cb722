using System.Text;
using KernelGateway.Jupyter.Messaging;

namespace KernelGateway.Jupyter.Zmtp;

/// <summary>A kernel's own sockets: one, and one reading loop, for each channel.</summary>
internal sealed class ZmtpChannels(ConnectionFile connection, KernelClientOptions options, KernelClient client) : IKernelChannels
{
    // Enough to see that there was a message; when IOPub is only a wake-up call, nothing more is wanted of it.
    private const int WakeUpFrameBytes = 64 * 1024;

    // For what we send; each reading loop has its own, so that checking a large output delays no reply.
    private readonly MessageSigner _signer = new(connection.Key);
    private ZmtpSocket? _shell;
    private ZmtpSocket? _control;
    private ZmtpSocket? _stdin;
    private ZmtpSocket? _iopub;

    // Cancelled to wake the IOPub loop when it waits for messages; replaced by that loop alone.
    private volatile CancellationTokenSource _iopubNudge = new();
    private int _iopubConnection = 1;

    public async Task OpenAsync(CancellationToken cancellationToken)
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
        _ = client.GuardAsync(() => ReadRepliesAsync(KernelChannel.Shell, _shell!));
        _ = client.GuardAsync(() => ReadRepliesAsync(KernelChannel.Control, _control!));
        _ = client.GuardAsync(() => ReadInputRequestsAsync(_stdin!));
        _ = client.GuardAsync(() => ReadIopubAsync(_iopub));
    }

    public ValueTask SendAsync(KernelChannel channel, JupyterMessage message, CancellationToken cancellationToken) =>
        Socket(channel).SendAsync(WireFormat.Write(message, _signer), cancellationToken);

    public async Task<TimeSpan> PingAsync(CancellationToken cancellationToken)
    {
        await using var socket = await ConnectAsync(KernelChannel.Heartbeat, cancellationToken);
        ReadOnlyMemory<byte> ping = Guid.NewGuid().ToByteArray();
        var start = options.TimeProvider.GetTimestamp();
        await socket.SendAsync([ping], cancellationToken);
        while (await socket.ReceiveAsync(cancellationToken) is var echo)
        {
            if (echo.Frames.Count == 1 && echo.Frames[0].Span.SequenceEqual(ping.Span))
            {
                break;
            }
        }

        return options.TimeProvider.GetElapsedTime(start);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var socket in new[] { _shell, _control, _stdin, _iopub })
        {
            if (socket is not null)
            {
                await socket.DisposeAsync();
            }
        }

        _signer.Dispose();
    }

    private static ZmtpSocket? Opened(Task<ZmtpSocket> opening) =>
        opening.IsCompletedSuccessfully ? opening.GetAwaiter().GetResult() : null;

    private Task<ZmtpSocket> ConnectAsync(KernelChannel channel, CancellationToken cancellationToken)
    {
        var isIpc = connection.Transport == "ipc";
        var address = connection.Endpoint(channel);
        var endpoint = options.SocketDirectory is { } folder && isIpc
            ? ZmtpEndpoint.InDirectory(folder, address[(address.LastIndexOf('/') + 1)..])
            : ZmtpEndpoint.Parse(address) with { NoFollow = options.NoFollow && isIpc };
        var type = channel switch
        {
            KernelChannel.Iopub => ZmtpSocketType.Sub,
            KernelChannel.Heartbeat => ZmtpSocketType.Req,
            _ => ZmtpSocketType.Dealer,
        };
        var isSmall = channel == KernelChannel.Heartbeat || (channel == KernelChannel.Iopub && options.OnIopubActivity is not null);
        return ZmtpSocket.ConnectAsync(
            endpoint with { ExpectedPeerUid = isIpc ? options.ExpectedPeerUid : null },
            type,
            new ZmtpOptions
            {
                // The same on shell and stdin: the kernel asks for input at the identity that sent the code.
                Identity = type == ZmtpSocketType.Dealer ? Encoding.UTF8.GetBytes(options.Identity) : default(ReadOnlyMemory<byte>),
                MaxFrameBytes = isSmall ? Math.Min(WakeUpFrameBytes, options.MaxMessageBytes) : options.MaxMessageBytes,
                MaxMessageBytes = options.MaxMessageBytes,
                ConnectTimeout = options.ConnectTimeout,
                SendTimeout = options.SendTimeout,
                TimeProvider = options.TimeProvider,
                StateChanged = channel == KernelChannel.Iopub ? IopubStateChanged : null,
            },
            cancellationToken);
    }

    private async Task ReadRepliesAsync(KernelChannel channel, ZmtpSocket socket)
    {
        using var signer = new MessageSigner(connection.Key);
        while (true)
        {
            var received = await socket.ReceiveAsync(client.Stopped);
            if (received.Oversize)
            {
                // The frames before the one that was too large usually tell whose reply it is.
                client.RefuseReply(channel, WireFormat.FindParent(received.Frames), received.TotalBytes);
            }
            else if (WireFormat.Read(received.Frames, signer, out var message) != MessageFault.None)
            {
                client.Drop();
            }
            else
            {
                await client.TakeReplyAsync(channel, message!);
            }

            options.OnIopubActivity?.Invoke(); // A reply is as good a reason to look at the log.
        }
    }

    private async Task ReadInputRequestsAsync(ZmtpSocket socket)
    {
        using var signer = new MessageSigner(connection.Key);
        while (true)
        {
            var received = await socket.ReceiveAsync(client.Stopped);
            if (received.Oversize || WireFormat.Read(received.Frames, signer, out var message) != MessageFault.None)
            {
                client.Drop();
            }
            else
            {
                await client.TakeInputRequestAsync(message!);
            }

            options.OnIopubActivity?.Invoke();
        }
    }

    private async Task ReadIopubAsync(ZmtpSocket socket)
    {
        using var signer = new MessageSigner(connection.Key);
        var connected = 1;
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
                client.Stopped.ThrowIfCancellationRequested();
                _iopubNudge = new CancellationTokenSource();
            }

            // Told between the last message before the cut and the first one after it.
            var current = received?.ConnectionNumber ?? Volatile.Read(ref _iopubConnection);
            if (current > connected)
            {
                connected = current;
                client.OutputReconnected();
            }

            if (options.OnIopubActivity is { } activity)
            {
                if (received is not null)
                {
                    client.IopubSpokeToAllProbes();
                }

                activity();
            }
            else if (received is not null)
            {
                JupyterMessage? message = null;
                var fault = received.Oversize ? MessageFault.Oversize : WireFormat.Read(received.Frames, signer, out message);
                await client.TakeOutputAsync(message, fault);
            }
        }
    }

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
