using KernelGateway.Contracts.Executions;
using KernelGateway.Core.Journals;

namespace KernelGateway.Core.Executions;

/// <summary>One run of code. Its kernel session is the only one that changes it; everybody may read <see cref="Info"/> at any time.</summary>
public sealed class Execution
{
    private readonly TaskCompletionSource finished = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile ExecutionInfo info;

    internal Execution(ExecutionInfo info, Notes.QueuedNote request)
    {
        this.info = info;
        Request = request;
        if (info.State is ExecutionState.Finished or ExecutionState.Unknown)
        {
            finished.TrySetResult();
        }
    }

    /// <summary>What was asked for.</summary>
    public Notes.QueuedNote Request { get; }

    /// <summary>Its present state, without output.</summary>
    public ExecutionInfo Info => info;

    /// <summary>The Jupyter msg_id.</summary>
    public string Id => info.Id;

    /// <summary>Completes when the run has ended, or when nothing more can be known of it.</summary>
    public Task Finished => finished.Task;

    /// <summary>Header of the input_request that waits for an answer; its parent when the answer is sent.</summary>
    internal ReadOnlyMemory<byte> Question { get; set; }

    internal OutputMeter Output { get; } = new();

    internal string? ReplyStatus { get; set; }

    internal string? ErrorName { get; set; }

    internal bool IdleSeen { get; set; }

    internal StopRequest StopRequest { get; set; }

    internal bool HasEnded => info.State is ExecutionState.Finished or ExecutionState.Unknown;

    internal void Update(Func<ExecutionInfo, ExecutionInfo> change) => info = change(info);

    internal void SignalFinished() => finished.TrySetResult();
}
