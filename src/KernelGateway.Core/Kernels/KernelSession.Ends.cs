using KernelGateway.Contracts.Executions;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Executions;
using KernelGateway.Core.Journals;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;
using KernelGateway.Jupyter;

namespace KernelGateway.Core.Kernels;

/// <summary>Time limits, the end of a kernel, and what is settled after the gateway was away.</summary>
internal sealed partial class KernelSession
{
    /// <summary>Ends all runs because the sandbox ends; the kernel is ended by its host.</summary>
    public void CancelAll(string reason)
    {
        lock (_gate)
        {
            _state = KernelState.Dead;
            _reason = reason;
            FinishOpen(new Notes.FinishedNote(ExecutionStatus.Cancelled, reason, null), reason);
        }
    }

    /// <summary>Under the gate: interrupts the run when its time is over, and kills the kernel when that does not help.</summary>
    private void StartTimeout(Execution execution, TimeSpan limit)
    {
        _timeout?.Dispose();
        _timeout = _time.CreateTimer(_ => _ = EnforceTimeoutAsync(execution), null, limit, Timeout.InfiniteTimeSpan);
    }

    private async Task EnforceTimeoutAsync(Execution execution)
    {
        KernelLink? link;
        lock (_gate)
        {
            if (_current != execution || _link is null)
            {
                return;
            }

            execution.StopRequest = StopRequest.Timeout;
            link = _link;
        }

        try
        {
            await InterruptKernelAsync(link, CancellationToken.None);
            try
            {
                await execution.Finished.WaitAsync(_options.KillGrace, _time, CancellationToken.None);
            }
            catch (TimeoutException)
            {
                await link.SignalAsync(KernelSignal.Kill, CancellationToken.None);
            }
        }
        catch (Exception e) when (e is GatewayException or KernelException or IOException)
        {
            LogNotInterrupted(_logger, _sandboxId, e.Message); // It has ended; its end ends the run.
        }
    }

    private void EndAll(KernelExit exit)
    {
        lock (_gate)
        {
            if (_state == KernelState.Restarting)
            {
                const string Restarted = "The kernel was restarted.";
                FinishOpen(new Notes.FinishedNote(ExecutionStatus.Cancelled, Restarted, null), Restarted);
                return;
            }

            if (_state == KernelState.Dead)
            {
                return;
            }

            _state = KernelState.Dead;
            _reason = exit.Message;
            var current = _current?.StopRequest == StopRequest.Timeout
                ? new Notes.FinishedNote(ExecutionStatus.Timeout, "It did not stop when interrupted, so its kernel was killed.", null)
                : new Notes.FinishedNote(ExecutionStatus.KernelDied, exit.Message, null);
            FinishOpen(current, "Its kernel ended before it began.");
        }

        try
        {
            _journal.Append(StateEntry(KernelState.Dead, exit.Message));
        }
        catch (Exception e) when (e is GatewayException or ObjectDisposedException)
        {
            LogStorageFull(_logger, _sandboxId, e.Message);
        }
    }

    /// <summary>Under the gate: ends the run under way with the note, and cancels those that wait.</summary>
    private void FinishOpen(Notes.FinishedNote current, string waitingReason)
    {
        var ended = new List<(Execution, Notes.FinishedNote)>();
        if (_current is { } running)
        {
            ended.Add((running, current));
            _current = null;
        }

        while (_queue.TryDequeue(out var waiting))
        {
            ended.Add((waiting, new Notes.FinishedNote(ExecutionStatus.Cancelled, waitingReason, null)));
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
                    Finish([(head, new Notes.FinishedNote(null, "The gateway was restarted before the kernel confirmed it; it was not sent again.", null))]);
                }
                else if (head.Request.TimeoutSeconds > 0)
                {
                    var rest = head.Info.StartedAt.Value.AddSeconds(head.Request.TimeoutSeconds) - _time.GetUtcNow();
                    StartTimeout(head, rest > TimeSpan.Zero ? rest : TimeSpan.Zero);
                }
            }

            SendNext();
        }
    }
}
