using KernelGateway.Jupyter.Messaging;
using KernelGateway.Jupyter.Zmtp;
using Newtonsoft.Json.Linq;

namespace KernelGateway.Jupyter;

/// <summary>The requests of the Jupyter messaging protocol, one method each.</summary>
public sealed partial class KernelClient
{
    /// <summary>Runs code and gives its output as it comes.</summary>
    /// <param name="request">What to run.</param>
    /// <param name="msgId">The execution's id; null makes a random one.</param>
    /// <param name="wantsOutputs">Whether <see cref="KernelExecution.Outputs"/> will be read.</param>
    /// <param name="cancellationToken">Ends the wait to send; once sent, the code runs.</param>
    /// <exception cref="KernelGoneException">The kernel is gone.</exception>
    /// <exception cref="KernelException">It could not be sent; it may or may not have arrived.</exception>
    public async Task<KernelExecution> ExecuteAsync(
        ExecuteRequest request, string? msgId = null, bool wantsOutputs = true, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        var message = CreateRequest(MessageTypes.ExecuteRequest, request.ToJson(), msgId);
        var reply = Expect(KernelChannel.Shell, message.MsgId);
        var execution = new KernelExecution(
            message.MsgId, reply, wantsOutputs, _options.OnIopubActivity is null, id => _executions.TryRemove(id, out _));

        // Before sending: its first output may be faster than the return of the send.
        _executions[message.MsgId] = execution;
        try
        {
            await SendAsync(KernelChannel.Shell, message, cancellationToken);
            return execution;
        }
        catch
        {
            _pending.Forget(message.MsgId);
            _executions.TryRemove(message.MsgId, out _);
            execution.Dispose();
            throw;
        }
    }

    /// <inheritdoc cref="ExecuteAsync(ExecuteRequest, string?, bool, CancellationToken)"/>
    public Task<KernelExecution> ExecuteAsync(ExecuteRequest request, CancellationToken cancellationToken) =>
        ExecuteAsync(request, null, true, cancellationToken);

    /// <summary>Asks for completions (complete_request).</summary>
    public Task<JupyterMessage> CompleteAsync(string code, int cursor, CancellationToken cancellationToken = default) =>
        AskAsync(MessageTypes.CompleteRequest, new JObject { ["code"] = code, ["cursor_pos"] = cursor }, cancellationToken);

    /// <summary>Asks what a name is (inspect_request).</summary>
    /// <param name="code">The code the cursor stands in.</param>
    /// <param name="cursor">The cursor's place, in Unicode code points.</param>
    /// <param name="detail">0, or 1 for more.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task<JupyterMessage> InspectAsync(string code, int cursor, int detail = 0, CancellationToken cancellationToken = default) =>
        AskAsync(MessageTypes.InspectRequest, new JObject { ["code"] = code, ["cursor_pos"] = cursor, ["detail_level"] = detail }, cancellationToken);

    /// <summary>Asks whether code is complete as it stands (is_complete_request).</summary>
    public Task<JupyterMessage> IsCompleteAsync(string code, CancellationToken cancellationToken = default) =>
        AskAsync(MessageTypes.IsCompleteRequest, new JObject { ["code"] = code }, cancellationToken);

    /// <summary>Asks for the last cells that were run (history_request, tail).</summary>
    public Task<JupyterMessage> HistoryAsync(int count, CancellationToken cancellationToken = default) =>
        AskAsync(
            MessageTypes.HistoryRequest,
            new JObject { ["hist_access_type"] = "tail", ["n"] = count, ["output"] = false, ["raw"] = true },
            cancellationToken);

    /// <summary>Asks what kernel it is (kernel_info_request).</summary>
    public Task<JupyterMessage> KernelInfoAsync(CancellationToken cancellationToken = default) =>
        AskAsync(MessageTypes.KernelInfoRequest, null, cancellationToken);

    /// <summary>Asks which comms are open (comm_info_request).</summary>
    public Task<JupyterMessage> CommInfoAsync(string? target = null, CancellationToken cancellationToken = default) =>
        AskAsync(MessageTypes.CommInfoRequest, target is null ? null : new JObject { ["target_name"] = target }, cancellationToken);

    /// <summary>Opens a comm.</summary>
    public Task OpenCommAsync(string commId, string target, JObject data, CancellationToken cancellationToken = default) =>
        SendAsync(KernelChannel.Shell, CreateRequest(MessageTypes.CommOpen, new JObject { ["comm_id"] = commId, ["target_name"] = target, ["data"] = data }), cancellationToken);

    /// <summary>Sends data over a comm.</summary>
    public Task SendCommAsync(string commId, JObject data, CancellationToken cancellationToken = default) =>
        SendAsync(KernelChannel.Shell, CreateRequest(MessageTypes.CommMsg, new JObject { ["comm_id"] = commId, ["data"] = data }), cancellationToken);

    /// <summary>Closes a comm.</summary>
    public Task CloseCommAsync(string commId, CancellationToken cancellationToken = default) =>
        SendAsync(KernelChannel.Shell, CreateRequest(MessageTypes.CommClose, new JObject { ["comm_id"] = commId, ["data"] = new JObject() }), cancellationToken);

    /// <summary>Interrupts what runs: by the signal of the options, else by an interrupt_request.</summary>
    public Task InterruptAsync(CancellationToken cancellationToken = default) =>
        _options.InterruptBySignal is { } signal
            ? signal(cancellationToken)
            : RequestAsync(KernelChannel.Control, CreateRequest(MessageTypes.InterruptRequest), cancellationToken);

    /// <summary>Asks the kernel to end (shutdown_request).</summary>
    /// <param name="restart">Whether another one will follow; some kernels keep something then.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task<JupyterMessage> ShutdownAsync(bool restart = false, CancellationToken cancellationToken = default) =>
        RequestAsync(KernelChannel.Control, CreateRequest(MessageTypes.ShutdownRequest, new JObject { ["restart"] = restart }), cancellationToken);

    /// <summary>Answers an input_request.</summary>
    /// <param name="inputRequest">The question; its header is enough.</param>
    /// <param name="value">The answer, without the newline.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public Task ReplyInputAsync(JupyterMessage inputRequest, string value, CancellationToken cancellationToken = default) =>
        SendAsync(KernelChannel.Stdin, CreateRequest(MessageTypes.InputReply, new JObject { ["value"] = value }, parent: inputRequest), cancellationToken);

    /// <summary>Sends a ping on the heartbeat channel, over a connection of its own.</summary>
    /// <param name="timeout">How long connection and answer may take together.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>How long the answer took.</returns>
    /// <exception cref="KernelException">There was no answer in time.</exception>
    public async Task<TimeSpan> HeartbeatAsync(TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        ThrowIfClosed();
        using var deadline = new CancellationTokenSource(timeout, _options.TimeProvider);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        var ping = _channels.PingAsync(both.Token);
        if (await Task.WhenAny(ping, _closed.Task) != ping)
        {
            await both.CancelAsync();
        }

        try
        {
            return await ping;
        }
        catch (Exception e) when (e is ZmtpException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            ThrowIfClosed();
            throw new KernelException($"The kernel's heartbeat did not answer within {timeout.TotalSeconds:0.#} s.", e);
        }
    }

    private async Task<JupyterMessage> AskAsync(string type, JObject? content, CancellationToken cancellationToken)
    {
        var reply = await RequestAsync(KernelChannel.Shell, CreateRequest(type, content), cancellationToken);
        return reply.Content.Text("status") == "error"
            ? throw new KernelErrorException(reply.Content.Text("ename"), reply.Content.Text("evalue"))
            : reply;
    }
}
