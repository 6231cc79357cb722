using KernelGateway.Contracts.Executions;
using KernelGateway.Core.Journals;
using KernelGateway.Core.Provisioning;

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

    /// <summary>What the code asked to exit with (SystemExit); null when it did not.</summary>
    internal int? ExitCode { get; set; }

    internal bool IdleSeen { get; set; }

    /// <summary>Why it was asked to stop; null when it was not.</summary>
    internal StopCause? Stop { get; set; }

    /// <summary>The last step that was taken to end it, with the time; null when none was.</summary>
    internal (Notes.EscalationNote Note, DateTimeOffset At)? Escalated { get; private set; }

    /// <summary>True as soon as somebody climbs from step to step until it has ended.</summary>
    internal bool IsEscalating { get; set; }

    internal ViolationLog Violations { get; } = new();

    /// <summary>How often limits had been hit when it was sent.</summary>
    internal LimitCounters? CountersBefore { get; set; }

    /// <summary>The limit that the error it raised speaks of; null when it speaks of none.</summary>
    internal string? ErrorCause { get; set; }

    internal bool HasEnded => info.State is ExecutionState.Finished or ExecutionState.Unknown;

    /// <summary>Remembers a step; an interrupt in between takes nothing back.</summary>
    internal void Take(Notes.EscalationNote step, DateTimeOffset at)
    {
        if (Escalated is not { } last || last.Note.Step <= step.Step)
        {
            Escalated = (step, at);
        }
    }

    /// <summary>How long its sandbox was paused under it.</summary>
    internal TimeSpan StoodStill { get; set; }

    internal void Update(Func<ExecutionInfo, ExecutionInfo> change) => info = change(info);

    internal void SignalFinished() => finished.TrySetResult();
}
