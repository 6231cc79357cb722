using KernelGateway.Jupyter.Messaging;
using Newtonsoft.Json.Linq;

namespace KernelGateway.Jupyter;

/// <summary>
/// One run of code: its IOPub messages as they come, and its end. Whoever asked for its outputs reads them or disposes of
/// this: when its buffer is full the kernel waits.
/// </summary>
public sealed class KernelExecution : IDisposable
{
    private const long BufferBytes = 4 << 20;

    private readonly TaskCompletionSource<JupyterMessage> _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly OutputBuffer? _outputs;
    private readonly Action<string> _ended;
    private readonly Lock _gate = new();
    private JupyterMessage? _reply;
    private bool _idle;

    internal KernelExecution(string id, Task<JupyterMessage> reply, bool wantsOutputs, bool idleComes, Action<string> ended)
    {
        Id = id;
        Reply = reply;
        _idle = !idleComes;
        _ended = ended;
        _outputs = wantsOutputs && idleComes ? new OutputBuffer(BufferBytes) : null;
        _ = AwaitReplyAsync();
    }

    /// <summary>The msg_id of the request.</summary>
    public string Id { get; }

    /// <summary>The execute_reply. Fails with <see cref="KernelGoneException"/>.</summary>
    public Task<JupyterMessage> Reply { get; }

    /// <summary>
    /// Completes with the reply when the reply AND the idle status are there; fails with <see cref="KernelGoneException"/>.
    /// Where IOPub is only a wake-up call, the reply is enough.
    /// </summary>
    public Task<JupyterMessage> Completion => _completion.Task;

    /// <summary>Its IOPub messages in order, the last being the idle status. To be read once.</summary>
    /// <param name="cancellationToken">Ends the reading, not the run.</param>
    /// <exception cref="KernelGoneException">The kernel went away; thrown after what had been received.</exception>
    /// <exception cref="InvalidOperationException">Outputs were not asked for.</exception>
    public IAsyncEnumerable<JupyterMessage> Outputs(CancellationToken cancellationToken = default) =>
        _outputs?.ReadAllAsync(cancellationToken) ?? throw new InvalidOperationException(
            "This execution keeps no outputs: they were not asked for, or IOPub is only a wake-up call of this client.");

    /// <summary>Stops listening; the run goes on, and <see cref="Reply"/> and <see cref="Completion"/> still come.</summary>
    public void Dispose()
    {
        _outputs?.Close();
        _outputs?.Clear();
    }

    internal ValueTask OutputArrivedAsync(JupyterMessage message)
    {
        var adding = _outputs?.AddAsync(message) ?? ValueTask.CompletedTask;
        if (message.MsgType == MessageTypes.Status && message.Content["execution_state"] is JValue { Value: "idle" })
        {
            EndWithoutIdle();
            return ValueTask.CompletedTask; // The last one: nobody has to make room for another.
        }

        return adding;
    }

    internal void EndWithoutIdle()
    {
        _outputs?.Close();
        CompleteWhenBoth(null, idle: true);
    }

    internal void Fail(Exception reason)
    {
        _outputs?.Close(reason);
        if (_completion.TrySetException(reason))
        {
            _ = _completion.Task.Exception; // Seen: perhaps nobody waits.
        }

        _ended(Id);
    }

    private async Task AwaitReplyAsync()
    {
        try
        {
            CompleteWhenBoth(await Reply, idle: false);
        }
        catch (KernelException e)
        {
            Fail(e is KernelGoneException ? new KernelGoneException(e.Message, e.InnerException) : new KernelException(e.Message, e));
        }
    }

    private void CompleteWhenBoth(JupyterMessage? reply, bool idle)
    {
        lock (_gate)
        {
            _reply ??= reply;
            _idle |= idle;
            if (_reply is null || !_idle)
            {
                return;
            }
        }

        _completion.TrySetResult(_reply);
        _ended(Id);
    }
}
