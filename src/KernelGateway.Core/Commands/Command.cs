using KernelGateway.Contracts.Commands;
using KernelGateway.Core.Executions;
using KernelGateway.Core.Journals;
using KernelGateway.Core.KernelLogs;
using KernelGateway.Core.Provisioning;

namespace KernelGateway.Core.Commands;

/// <summary>One command. <see cref="SandboxCommands"/> is the only one that changes it; everybody may read <see cref="Info"/> at any time.</summary>
public sealed class Command
{
    private readonly TaskCompletionSource _finished = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile CommandInfo _info;

    internal Command(CommandInfo info, Notes.CommandNote note)
    {
        _info = info;
        Note = note;
    }

    /// <summary>Its present state, without output.</summary>
    public CommandInfo Info => _info;

    /// <summary>Its id.</summary>
    public string Id => _info.Id;

    /// <summary>Completes when it has ended, or when nothing more can be known of it.</summary>
    public Task Finished => _finished.Task;

    /// <summary>Completes when it runs; fails when it could not be started.</summary>
    internal Task Started { get; set; } = Task.CompletedTask;

    internal Notes.CommandNote Note { get; }

    internal bool HasEnded => _info.State != CommandState.Running;

    internal OutputMeter Output { get; } = new();

    internal ViolationLog Violations { get; } = new();

    internal LimitCounters? CountersBefore { get; set; }

    /// <summary>Whether its owner has asked for its end.</summary>
    internal bool Killed { get; set; }

    /// <summary>Says that there may be something new in its log.</summary>
    internal WakeUp? Activity { get; set; }

    internal void End(Notes.CommandEndNote note, JournalEntry entry)
    {
        _info = _info with
        {
            State = note.Lost ? CommandState.Lost : CommandState.Finished,
            ExitCode = note.ExitCode,
            DurationSeconds = note.Seconds,
            Reason = note.Reason,
            ReasonCode = note.ReasonCode,
            Violations = note.Violations ?? [],
            FinishedAt = entry.Time,
            LastSequence = entry.Sequence,
            Output = Output.Counters,
        };
        _finished.TrySetResult();
    }
}
