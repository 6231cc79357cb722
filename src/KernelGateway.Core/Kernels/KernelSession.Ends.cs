using KernelGateway.Contracts;
using KernelGateway.Contracts.Executions;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Executions;
using KernelGateway.Core.Journals;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;
using KernelGateway.Jupyter;

namespace KernelGateway.Core.Kernels;

/// <summary>The end of a kernel, and what is settled after the gateway was away.</summary>
internal sealed partial class KernelSession
{
    /// <summary>Ends all runs because the sandbox ends; the kernel is ended by its host.</summary>
    /// <param name="code">Why, one of <see cref="ReasonCodes"/>.</param>
    /// <param name="reason">The same in a sentence.</param>
    /// <param name="onPurpose">False when the sandbox broke down under the run.</param>
    public void CancelAll(string code, string reason, bool onPurpose = true)
    {
        lock (_gate)
        {
            _state = KernelState.Dead;
            _reason = reason;
            _reasonCode = code;
            var current = _current is { } running && WasKilled(running) ? EndWith(running, new KernelExit(code, reason, null, null, null))
                : new Notes.FinishedNote(onPurpose ? ExecutionStatus.Cancelled : ExecutionStatus.KernelDied, reason, null, code);
            FinishOpen(current, code, reason);
        }
    }

    private void EndAll(KernelExit exit)
    {
        JournalEntry dead;
        lock (_gate)
        {
            if (_state == KernelState.Restarting)
            {
                const string Restarted = "The kernel was restarted.";
                FinishOpen(new Notes.FinishedNote(ExecutionStatus.Cancelled, Restarted, null, ReasonCodes.Restarted), ReasonCodes.Restarted, Restarted);
                return;
            }

            if (_state == KernelState.Dead)
            {
                return;
            }

            _state = KernelState.Dead;
            (_reasonCode, _reason) = _current is { } running && exit.Reason == ReasonCodes.Terminated && WasKilled(running)
                ? (ReasonCodes.Killed, "The kernel was killed because a run did not stop.")
                : (exit.Reason, exit.Message);
            dead = StateEntry(KernelState.Dead, _reason, _reasonCode);
            FinishOpen(EndWith(_current, exit), _reasonCode, "Its kernel ended before it began.");
        }

        try
        {
            _journal.Append(dead);
        }
        catch (Exception e) when (e is GatewayException or ObjectDisposedException)
        {
            LogStorageFull(_logger, _sandboxId, e.Message);
        }
    }

    /// <summary>Under the gate: ends the run under way with the note, and cancels those that wait.</summary>
    private void FinishOpen(Notes.FinishedNote current, string waitingCode, string waitingReason)
    {
        var ended = new List<(Execution, Notes.FinishedNote)>();
        if (_current is { } running)
        {
            ended.Add((running, current));
            _current = null;
        }

        _hold?.TrySetResult();
        while (_queue.TryDequeue(out var waiting))
        {
            ended.Add((waiting, new Notes.FinishedNote(ExecutionStatus.Cancelled, waitingReason, null, waitingCode)));
        }

        try
        {
            Finish(ended);
        }
        catch (ObjectDisposedException)
        {
            // The journal is closed: the sandbox is being removed.
        }
    }

    /// <summary>
    /// Something that the kernel said is missing, perhaps the end of the run under way. The kernel answers a question only
    /// after that run: when it has, and all it said has been read, and the run still has no end, none will come.
    /// </summary>
    private void AskForLostEnd()
    {
        lock (_gate)
        {
            if (_link is { } link)
            {
                _spoiled = link; // The rest of a spoiled segment is lost as well, and with it the ends of the next runs.
                if (_current is { } running)
                {
                    _ = EndWhenLostAsync(link, running);
                }
            }
            else
            {
                _isGapEarly = true;
            }
        }
    }

    private async Task EndWhenLostAsync(KernelLink link, Execution running)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(link.LetGo, _closing.Token);
        try
        {
            var asked = link.Client.KernelInfoAsync(over.Token);
            if (await Task.WhenAny(asked, running.Finished) != asked)
            {
                await over.CancelAsync();
            }

            await asked;
            await link.WaitForReadyAsync(_options.StartTimeout, over.Token); // Its output channel is no further behind than this.
            await link.CaughtUpAsync(over.Token);
        }
        catch (Exception e) when (e is GatewayException or KernelException or OperationCanceledException or ObjectDisposedException)
        {
            return; // It has ended after all, or its kernel has, which ends it.
        }

        lock (_gate)
        {
            if (_current == running && !running.HasEnded)
            {
                _current = null;
                Finish([(running, new Notes.FinishedNote(ExecutionStatus.Error, "Its end was lost: the kernel has gone on, but what it said then is missing.", null, ReasonCodes.Lost))]);
                SendNext();
            }
        }
    }

    /// <summary>
    /// After the gateway was away: the run at the head may or may not have reached the kernel. Once the kernel has
    /// answered questions asked now and its log, read to its end, still says nothing of the run, nobody can tell, and it is not
    /// repeated. Two questions: the kernel takes messages from the old connection and from ours in turn, so that it may
    /// answer the first one before it looks at a request that came earlier.
    /// </summary>
    private async Task SettleAsync(KernelLink link, Execution? head)
    {
        try
        {
            await link.CaughtUpAsync(CancellationToken.None);
            if (head is { Info.StartedAt: null })
            {
                await link.WaitForReadyAsync(_options.StartTimeout, CancellationToken.None);
                await link.WaitForReadyAsync(_options.StartTimeout, CancellationToken.None);
                await link.CaughtUpAsync(CancellationToken.None);
            }
        }
        catch (Exception e) when (e is GatewayException or KernelException or OperationCanceledException)
        {
            LogNotSent(_logger, _sandboxId, head?.Id ?? "", e.Message);
        }

        lock (_gate)
        {
            if (head is not null && _current == head)
            {
                if (head.Info.StartedAt is null)
                {
                    _current = null;
                    Finish([(head, new Notes.FinishedNote(null, "The gateway was restarted before the kernel confirmed it; it was not sent again.", null, ReasonCodes.Unknown))]);
                }
                else
                {
                    ResumeStops(head);
                }
            }

            SendNext();
        }
    }
}
