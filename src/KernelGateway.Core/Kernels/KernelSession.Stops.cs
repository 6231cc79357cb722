using KernelGateway.Contracts;
using KernelGateway.Contracts.Executions;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Executions;
using KernelGateway.Core.Journals;
using KernelGateway.Core.Provisioning;
using KernelGateway.Jupyter;

namespace KernelGateway.Core.Kernels;

/// <summary>How runs are stopped: by somebody, or because their time is over; gently, or with more and more force.</summary>
internal sealed partial class KernelSession
{
    /// <summary>Stops one run: takes it out of the queue, or interrupts the kernel that runs it. Does nothing to one that has ended.</summary>
    /// <param name="execution">The run.</param>
    /// <param name="cause">Why.</param>
    /// <param name="escalate">Whether more force follows when the interrupt does not help.</param>
    /// <param name="cancellationToken">Stops the attempt.</param>
    public async Task InterruptAsync(Execution execution, StopCause cause, bool escalate, CancellationToken cancellationToken)
    {
        KernelLink? link;
        lock (_gate)
        {
            if (execution.HasEnded)
            {
                return;
            }

            if (execution != _current)
            {
                RemoveFromQueue(execution);
                Finish([(execution, new Notes.FinishedNote(ExecutionStatus.Cancelled, $"{cause.Reason} It had not begun.", null, cause.Code))]);
                return;
            }

            execution.Stop ??= cause;
            if (escalate)
            {
                Escalate(execution, EscalationStep.Interrupt, TimeSpan.Zero);
                return;
            }

            // Before the kernel begins, a signal would hit nothing and be lost; RecordAsync sends it then.
            link = execution.Info.StartedAt is null ? null : _link;
        }

        RecordStep(execution, EscalationStep.Interrupt, cause);
        if (link is not null)
        {
            await InterruptKernelAsync(link, cancellationToken);
        }
    }

    private Task InterruptKernelAsync(KernelLink link, CancellationToken cancellationToken) =>
        _kernel.InterruptMode == "message"
            ? link.Client.InterruptAsync(cancellationToken)
            : link.SignalAsync(KernelSignal.Interrupt, cancellationToken);

    private async Task InterruptBegunAsync(KernelLink link, CancellationToken cancellationToken)
    {
        try
        {
            await InterruptKernelAsync(link, cancellationToken);
        }
        catch (Exception e) when (e is GatewayException or KernelException or IOException)
        {
            LogNotInterrupted(_logger, _sandboxId, e.Message); // It has ended; its end ends the run.
        }
    }

    /// <summary>Ends the run, by force if need be: its time is over.</summary>
    private void EnforceTimeout(Execution execution)
    {
        lock (_gate)
        {
            if (_current == execution && !execution.IsEscalating && !_paused)
            {
                execution.Stop = StopCause.Timeout(execution.Request.TimeoutSeconds);
                Escalate(execution, EscalationStep.Interrupt, TimeSpan.Zero);
            }
        }
    }

    /// <summary>Under the gate, after a restart of the gateway: time limits and what was begun to end the run go on.</summary>
    private void ResumeStops(Execution execution)
    {
        var now = _time.GetUtcNow();
        if (execution.Escalated is { Note.GoesOn: true } last)
        {
            Escalate(execution, last.Note.Step, now - last.At);
        }
        else if (execution.Request.TimeoutSeconds > 0)
        {
            var rest = execution.Info.StartedAt!.Value.AddSeconds(execution.Request.TimeoutSeconds) + execution.StoodStill - now;
            _timer.Start(execution, rest > TimeSpan.Zero ? rest : TimeSpan.Zero, _paused);
        }
    }

    /// <summary>Under the gate: begins to climb, once for each run.</summary>
    private void Escalate(Execution execution, EscalationStep from, TimeSpan waited)
    {
        if (execution.IsEscalating || _link is not { } link)
        {
            return;
        }

        execution.IsEscalating = true;
        var escalation = new Escalation(execution, link.KernelEnded, (step, token) => TakeStepAsync(execution, link, step, token), _options, _time);
        _ = Task.Run(() => escalation.ClimbAsync(from, waited, _closing.Token), CancellationToken.None);
    }

    private async Task TakeStepAsync(Execution execution, KernelLink link, EscalationStep step, CancellationToken cancellationToken)
    {
        RecordStep(execution, step, execution.Stop!);
        try
        {
            switch (step)
            {
                case EscalationStep.Interrupt:
                    await InterruptKernelAsync(link, cancellationToken);
                    break;
                case EscalationStep.TerminateChildren:
                    await link.TerminateChildrenAsync(cancellationToken);
                    break;
                case EscalationStep.KillKernel:
                    await link.SignalAsync(KernelSignal.Kill, cancellationToken);
                    break;
                default:
                    await _endSandbox(execution.Stop!.Code, $"A run did not stop, and its kernel could not be killed. {execution.Stop.Reason}");
                    break;
            }
        }
        catch (Exception e) when (e is GatewayException or KernelException or IOException or OperationCanceledException or ObjectDisposedException)
        {
            LogStepFailed(_logger, _sandboxId, step, e.Message); // The next step has more force.
        }
    }

    /// <summary>In the journal before it is done: a gateway that is restarted goes on from here.</summary>
    private void RecordStep(Execution execution, EscalationStep step, StopCause cause)
    {
        var note = new Notes.EscalationNote(step, cause.Code, cause.Reason, execution.IsEscalating);
        execution.Take(note, _time.GetUtcNow());
        try
        {
            _journal.Append(new JournalEntry
            {
                Kind = JournalEntryKind.Escalation,
                ContextId = Id,
                ExecutionId = execution.Id,
                Frames = Notes.Frame(note),
            });
        }
        catch (Exception e) when (e is GatewayException or ObjectDisposedException)
        {
            LogStorageFull(_logger, _sandboxId, e.Message);
        }
    }

    /// <summary>How a run ends whose kernel has ended under it.</summary>
    private static Notes.FinishedNote EndWith(Execution? execution, KernelExit exit)
    {
        if (exit.Reason != ReasonCodes.Oom && execution?.Stop is { } stop && (stop.IsTimeout || WasKilled(execution)))
        {
            return new Notes.FinishedNote(
                stop.IsTimeout ? ExecutionStatus.Timeout : ExecutionStatus.Interrupted,
                WasKilled(execution) ? $"{stop.Reason} It did not stop when interrupted, so its kernel was killed." : $"{stop.Reason} {exit.Message}",
                null,
                stop.Code);
        }

        return new Notes.FinishedNote(ExecutionStatus.KernelDied, exit.Message, null, exit.Reason);
    }

    private static bool WasKilled(Execution execution) => execution.Escalated is { Note.Step: >= EscalationStep.KillKernel };

    /// <summary>What a run is to be remembered by: the limits that it came up against are added to how it ended.</summary>
    private Notes.FinishedNote Conclude(Execution execution, Notes.FinishedNote note)
    {
        if (execution.CountersBefore is { } before && _measurable?.ReadCounters() is { } now)
        {
            execution.Violations.AddCounted(before, now, _time.GetUtcNow());
        }

        if (note.Status == ExecutionStatus.Error && execution.ErrorCause == ReasonCodes.Disk)
        {
            execution.Violations.Add(ReasonCodes.Disk, "The code was told that there is no room for its files.", _time.GetUtcNow());
        }

        var seen = execution.Violations.Seen;
        return note with
        {
            // What the error says counts only where the host has seen it too, or does not count.
            ReasonCode = note.Status == ExecutionStatus.Error && seen.Any(v => v.Kind == execution.ErrorCause) ? execution.ErrorCause : note.ReasonCode,
            Violations = seen.Count > 0 ? seen : null,
            Output = execution.Output.Counters,
        };
    }
}
