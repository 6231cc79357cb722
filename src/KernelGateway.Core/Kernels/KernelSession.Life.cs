using KernelGateway.Contracts;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Executions;
using KernelGateway.Core.Journals;
using KernelGateway.Core.Provisioning;
using KernelGateway.Jupyter;

namespace KernelGateway.Core.Kernels;

/// <summary>How its kernel is started, found again, replaced and let go.</summary>
internal sealed partial class KernelSession
{
    /// <summary>Starts a new kernel and waits until it is ready.</summary>
    public async Task StartAsync(string kernelId, IReadOnlyDictionary<string, string> variables, CancellationToken cancellationToken)
    {
        Enter(KernelState.Starting, null);
        var hosted = await _host.LaunchKernelAsync(new KernelLaunch(kernelId, _context.KernelName, _context.WorkingDirectory, variables), cancellationToken);
        KernelId = kernelId;
        try
        {
            await ConnectAsync(hosted, cancellationToken);
        }
        catch (Exception e)
        {
            await GiveUpAsync(hosted, e);
            throw;
        }

        Enter(KernelState.Idle, null);
    }

    /// <summary>After a restart of the gateway: takes over the runs of its context that have not ended.</summary>
    public void TakeOverRuns()
    {
        lock (_gate)
        {
            foreach (var open in _executions.Open(Id))
            {
                _queue.Enqueue(open);
            }

            if (_queue.TryDequeue(out var head))
            {
                _current = head;
                head.CountersBefore = _measurable?.ReadCounters();
                head.Output.ComeBack(_time.GetUtcNow(), head.Info.CreatedAt);
            }
        }
    }

    /// <summary>Takes up a kernel that lived on while the gateway was away, and settles what became of the runs that were taken over.</summary>
    /// <param name="resume">How far its log is in the journal.</param>
    /// <param name="cancellationToken">Stops the attempt.</param>
    public async Task ReattachAsync(SourcePosition? resume, CancellationToken cancellationToken)
    {
        var hosted = _host.Kernels.FirstOrDefault(k => k.Id == KernelId)
            ?? throw new GatewayException(ErrorCode.KernelFailed, $"The kernel {KernelId} is not there any more.");
        Execution? head;
        lock (_gate)
        {
            _state = KernelState.Idle;
            _paused = false;
            head = _current;
        }

        try
        {
            var link = await OpenLinkAsync(hosted, resume, isFoundAgain: true, cancellationToken);
            _ = SettleAsync(link, head);
        }
        catch (KernelException e)
        {
            // The place and its files are there; only this kernel is of no use any more.
            await GiveUpAsync(hosted, e);
            CancelAll(ReasonCodes.Lost, $"The kernel could not be reached after the gateway was restarted: {e.Message}");
        }
    }

    /// <summary>Its kernel was not found again: what ran or waited in it is lost.</summary>
    public void Lose(string reason)
    {
        CancelAll(ReasonCodes.Lost, reason, onPurpose: false);
        Enter(KernelState.Dead, reason, ReasonCodes.Lost);
    }

    /// <summary>Ends the kernel for good.</summary>
    public async Task RemoveAsync(string reason, CancellationToken cancellationToken)
    {
        KernelLink? link;
        lock (_gate)
        {
            link = _link;
        }

        if (link is not null)
        {
            await KillAsync(link, cancellationToken);
        }

        await DisposeAsync();
        Enter(KernelState.Dead, reason, ReasonCodes.Removed);
    }

    /// <summary>Ends the kernel and starts another one. What ran or waited is cancelled.</summary>
    public async Task RestartAsync(string kernelId, IReadOnlyDictionary<string, string> variables, CancellationToken cancellationToken)
    {
        KernelLink? old;
        lock (_gate)
        {
            if (_state is KernelState.Restarting or KernelState.Starting)
            {
                throw new GatewayException(ErrorCode.Conflict, "The kernel is being started already. Wait until its context is idle.");
            }

            old = _state == KernelState.Dead ? null : _link;
            _state = KernelState.Restarting;
        }

        _journal.Append(StateEntry(KernelState.Restarting, null));
        if (old is not null)
        {
            await KillAsync(old, cancellationToken);
        }

        await EndLinkAsync();
        await StartAsync(kernelId, variables, cancellationToken);
    }

    private async Task KillAsync(KernelLink link, CancellationToken cancellationToken)
    {
        try
        {
            await link.SignalAsync(KernelSignal.Kill, cancellationToken);
        }
        catch (GatewayException) when (link.KernelEnded.IsCompleted)
        {
            // By itself, just now.
        }

        try
        {
            await link.Ended.WaitAsync(_options.KillGrace, _time, cancellationToken);
        }
        catch (TimeoutException)
        {
            const string Stays = "The kernel could not be killed, so the sandbox is being ended.";
            _ = _endSandbox(ReasonCodes.Killed, Stays);
            throw new GatewayException(ErrorCode.KernelFailed, Stays);
        }
    }

    /// <summary>Completes when the kernel that lives now has ended and all it had said is in the journal.</summary>
    public Task WaitForEndAsync(CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            return _link?.Ended.WaitAsync(cancellationToken) ?? Task.CompletedTask;
        }
    }

    /// <summary>Lets go of the kernel and leaves it running.</summary>
    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        await EndLinkAsync();
    }

    private async Task EndLinkAsync()
    {
        KernelLink? link;
        lock (_gate)
        {
            link = _link;
            _link = null;
            _timer.Stop();
        }

        if (link is not null)
        {
            await link.DisposeAsync();
        }
    }

    private async Task<KernelLink> OpenLinkAsync(IHostedKernel hosted, SourcePosition? resume, bool isFoundAgain, CancellationToken cancellationToken)
    {
        var link = await KernelLink.OpenAsync(hosted, $"{_sandboxId}-{hosted.Id}", resume, isFoundAgain, RecordAsync, _time, cancellationToken);
        lock (_gate)
        {
            _link = link;
            _silence = null;
            if (_isGapEarly)
            {
                _isGapEarly = false;
                AskForLostEnd();
            }
        }

        _ = WatchAsync(link);
        _ = ListenToHeartAsync(link);
        return link;
    }

    private async Task ConnectAsync(IHostedKernel hosted, CancellationToken cancellationToken)
    {
        var link = await OpenLinkAsync(hosted, null, isFoundAgain: false, cancellationToken);
        await link.WaitForReadyAsync(_options.StartTimeout, cancellationToken);
    }

    private async Task GiveUpAsync(IHostedKernel hosted, Exception why)
    {
        Enter(KernelState.Dead, why.Message, ReasonCodes.Failed);
        await EndLinkAsync();
        try
        {
            await hosted.SignalAsync(KernelSignal.Kill, CancellationToken.None);
        }
        catch (GatewayException)
        {
            // It has ended already.
        }
    }

    private async Task WatchAsync(KernelLink link)
    {
        KernelExit? exit;
        try
        {
            exit = await link.Ended;
        }
        catch (Exception e)
        {
            // A fault of ours in reading the kernel: nobody must wait for ever for what it says.
            LogReadingFailed(_logger, e, _sandboxId);
            exit = new KernelExit("lost", "Its output can no longer be read; the gateway's log says why.", null, null, null);
        }

        if (exit is not null)
        {
            EndAll(exit);
        }
    }
}
