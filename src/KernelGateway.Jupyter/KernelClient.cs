using System.Collections.Concurrent;
using KernelGateway.Jupyter.Messaging;
using KernelGateway.Jupyter.WebSockets;
using KernelGateway.Jupyter.Zmtp;
using Newtonsoft.Json.Linq;

namespace KernelGateway.Jupyter;

/// <summary>
/// A client of one kernel over its channels (Jupyter messaging protocol, "Introduction"), by its own sockets or through a Jupyter Server. Safe for use by many
/// threads. Everything a kernel sends is checked: what is malformed, wrongly signed or too large is dropped and counted.
/// </summary>
public sealed partial class KernelClient : IAsyncDisposable
{
    private readonly IKernelChannels _channels;
    private readonly KernelClientOptions _options;
    private readonly PendingReplies _pending;
    private readonly ConcurrentDictionary<string, KernelExecution> _executions = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _stop = new();

    // Set once, with the first reason; never faults.
    private readonly TaskCompletionSource<Exception> _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private KernelClient(KernelClientOptions options, Func<KernelClient, IKernelChannels> channels)
    {
        _options = options;
        _channels = channels(this);
        _pending = new PendingReplies(options.MaxPendingRequests);
    }

    /// <summary>How many messages of the kernel were dropped: malformed, wrongly signed or too large.</summary>
    public long DroppedMessages => Volatile.Read(ref _dropped);

    /// <summary>How many well-formed messages on shell and control nobody waited for: late, second or made-up replies.</summary>
    public long UnclaimedReplies => Volatile.Read(ref _unclaimed);

    /// <summary>Completes with the first reason when the kernel is known to be gone or the client was disposed; never faults.</summary>
    public Task<Exception> Closed => _closed.Task;

    /// <summary>Connects shell, control, stdin and IOPub.</summary>
    /// <param name="connection">Where the kernel listens, and its key.</param>
    /// <param name="options">See there; null: defaults.</param>
    /// <param name="cancellationToken">Stops the attempt.</param>
    /// <exception cref="KernelException">It does not listen, or is not who it should be; the message says which.</exception>
    public static Task<KernelClient> ConnectAsync(
        ConnectionFile connection, KernelClientOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(connection);
        options ??= new KernelClientOptions();
        return OpenAsync(new KernelClient(options, client => new ZmtpChannels(connection, options, client)), cancellationToken);
    }

    /// <summary>Connects to a kernel that lives in a Jupyter Server. A connection that is lost is made again; <see cref="KernelClientOptions.OnIopubReconnected"/> tells of it.</summary>
    /// <param name="kernel">The server, the kernel's id there, and the token.</param>
    /// <param name="options">See there; what is said of ipc has no meaning here.</param>
    /// <param name="cancellationToken">Stops the attempt.</param>
    /// <exception cref="KernelException">The server cannot be reached, refuses the token, or has no such kernel; the message says which.</exception>
    public static Task<KernelClient> ConnectAsync(
        ServerKernel kernel, KernelClientOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(kernel);
        options ??= new KernelClientOptions();
        return OpenAsync(new KernelClient(options, client => new WebSocketChannels(kernel, options, client)), cancellationToken);
    }

    /// <summary>Makes a request with this client's session.</summary>
    /// <param name="type">One of <see cref="MessageTypes"/>.</param>
    /// <param name="content">The content; null is the empty object.</param>
    /// <param name="msgId">The id; null makes a random one.</param>
    /// <param name="parent">The message it answers.</param>
    /// <param name="metadata">The metadata; null is the empty object.</param>
    public JupyterMessage CreateRequest(string type, JObject? content = null, string? msgId = null, JupyterMessage? parent = null, JObject? metadata = null) =>
        JupyterMessage.Create(type, content, _options.Session, _options.Username, parent, metadata, msgId: msgId, time: _options.TimeProvider);

    /// <summary>Sends a message; done when it is with the operating system.</summary>
    /// <param name="channel">Shell, control or stdin.</param>
    /// <param name="message">The message.</param>
    /// <param name="cancellationToken">Ends the wait to send. A message of which a part is out is sent to its end.</param>
    /// <exception cref="KernelGoneException">The kernel is gone.</exception>
    /// <exception cref="KernelException">It could not be sent; it may or may not have arrived.</exception>
    public async Task SendAsync(KernelChannel channel, JupyterMessage message, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(message);
        ThrowIfClosed();
        try
        {
            var sending = _channels.SendAsync(channel, message, cancellationToken);
            if (sending.IsCompletedSuccessfully)
            {
                return;
            }

            await UnlessGoneAsync(sending.AsTask());
        }
        catch (Exception e) when (e is ZmtpException or ObjectDisposedException)
        {
            ThrowIfClosed();
            throw new KernelException($"The message could not be sent to the kernel: {e.Message}", e);
        }
    }

    /// <summary>Sends a request and waits for its reply. Cancelling ends the wait, not the work.</summary>
    /// <param name="channel">Shell or control.</param>
    /// <param name="request">The request; its id must not be that of another one under way.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="KernelGoneException">The kernel went away; the message is the first reason.</exception>
    /// <exception cref="KernelException">It could not be sent, or its reply was too large to be taken.</exception>
    public async Task<JupyterMessage> RequestAsync(
        KernelChannel channel, JupyterMessage request, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        var reply = Expect(channel, request.MsgId);
        try
        {
            await SendAsync(channel, request, cancellationToken);
            return await reply.WaitAsync(cancellationToken);
        }
        finally
        {
            _pending.Forget(request.MsgId);
        }
    }

    /// <summary>
    /// Says that the kernel is gone: everything under way fails with this reason, and so does everything begun later. The
    /// first reason wins. What was received before can still be read.
    /// </summary>
    /// <param name="reason">Its message is shown to users.</param>
    public void Fail(Exception reason)
    {
        ArgumentNullException.ThrowIfNull(reason);
        if (!_closed.TrySetResult(reason))
        {
            return;
        }

        _pending.FailAll(() => Gone(reason));
        foreach (var execution in _executions.Values)
        {
            execution.Fail(Gone(reason));
        }

        foreach (var probe in _probes.Values)
        {
            probe.Fail(Gone(reason));
        }
    }

    /// <summary>Closes the channels; the kernel lives on. Handlers that still run are not waited for.</summary>
    public async ValueTask DisposeAsync()
    {
        Fail(new ObjectDisposedException(nameof(KernelClient), "The client was closed."));
        await _stop.CancelAsync();
        await _channels.DisposeAsync();
    }

    private static async Task<KernelClient> OpenAsync(KernelClient client, CancellationToken cancellationToken)
    {
        try
        {
            await client._channels.OpenAsync(cancellationToken);
            return client;
        }
        catch (Exception e)
        {
            await client.DisposeAsync();
            if (e is ZmtpException)
            {
                throw new KernelException($"The kernel cannot be reached: {e.Message}", e);
            }

            throw;
        }
    }

    private static KernelGoneException Gone(Exception reason) =>
        new(reason is ObjectDisposedException ? "The client was closed." : reason.Message, reason);

    private Task<JupyterMessage> Expect(KernelChannel channel, string msgId)
    {
        var reply = _pending.Expect(channel, msgId);

        // After registering: whoever closes in between has either failed it already, or is seen here.
        if (_closed.Task.IsCompleted)
        {
            _pending.Forget(msgId);
            ThrowIfClosed();
        }

        return reply;
    }

    private async Task UnlessGoneAsync(Task sending)
    {
        if (await Task.WhenAny(sending, _closed.Task) != sending)
        {
            _ = sending.ContinueWith(
                static task => _ = task.Exception, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            ThrowIfClosed();
        }

        await sending;
    }

    private void ThrowIfClosed()
    {
        if (_closed.Task.IsCompleted)
        {
            throw Gone(_closed.Task.GetAwaiter().GetResult());
        }
    }
}
