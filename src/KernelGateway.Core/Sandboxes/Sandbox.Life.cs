using KernelGateway.Contracts;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Faults;
using KernelGateway.Core.Journals;
using KernelGateway.Core.Kernels;
using KernelGateway.Core.Provisioning;
using KernelGateway.Core.Snapshots;
using Microsoft.Extensions.Logging;

namespace KernelGateway.Core.Sandboxes;

/// <summary>Birth, re-attachment and end of a sandbox. One of them at a time, under <c>_life</c>.</summary>
public sealed partial class Sandbox
{
    /// <summary>Makes its place and its first kernel; on failure nothing is left but the record that says why.</summary>
    /// <param name="provisioner">Makes its place.</param>
    /// <param name="from">The snapshot it is made from, if any.</param>
    /// <param name="server">The server that its owner names for it, if any.</param>
    /// <param name="cancellationToken">Stops it.</param>
    internal async Task StartAsync(IKernelProvisioner provisioner, OpenedSnapshot? from, RequestedServer? server, CancellationToken cancellationToken)
    {
        await _life.WaitAsync(cancellationToken);
        try
        {
            using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _ending.Token);
            cancellationToken = either.Token;
            cancellationToken.ThrowIfCancellationRequested();
            Enter(SandboxState.Starting, null);
            var host = await provisioner.ProvisionAsync(
                new HostSpec(Id, _environment, _record.Limits, Merge(_environment.Variables, _record.Variables)) { Image = _record.Image, Server = server }, cancellationToken);
            Fault.At("sandbox.host_made");
            Change(r => r with { Host = host.Describe() }, host);
            Fault.At("sandbox.host_saved");
            _commands.Attach(host, null);
            await OpenEgressAsync(host, cancellationToken);
            if (from is null)
            {
                await StartDefaultAsync(host, cancellationToken);
                Fault.At("sandbox.kernel_launched");
                RememberKernel(_contexts.Find(null));
            }
            else
            {
                await RestoreAsync(host, from, cancellationToken);
            }

            Enter(SandboxState.Running, null);
            _ = WatchAsync(host);
        }
        catch (Exception) when (_ending.IsCancellationRequested)
        {
            await EndAsync(SandboxState.Terminated, ReasonCodes.Terminated, "It was terminated while it was being started.", TimeSpan.Zero);
            throw EndedMeanwhile();
        }
        catch (Exception e)
        {
            await EndAsync(SandboxState.Failed, ReasonCodes.Failed, e is GatewayException ? e.Message : "It could not be started.", TimeSpan.Zero);
            throw;
        }
        finally
        {
            _started.TrySetResult();
            _life.Release();
        }
    }

    /// <summary>Finds its place and kernels again after a restart of the gateway.</summary>
    /// <param name="provisioner">Its variant.</param>
    /// <param name="replay">What its journal says.</param>
    /// <param name="cancellationToken">Stops the attempt.</param>
    internal async Task ReattachAsync(IKernelProvisioner provisioner, JournalReplay replay, CancellationToken cancellationToken)
    {
        await _life.WaitAsync(cancellationToken);
        try
        {
            var isHalf = _record is { State: SandboxState.Starting, SnapshotId: not null }; // Nobody was told of it; it has only some of its files.
            if (_record.State == SandboxState.Terminating || _record.Host is null || isHalf)
            {
                var reason = isHalf ? "The gateway was stopped while it was being restored from a snapshot." : _record.Host is null ? "The gateway was stopped while it was being started." : "The gateway was stopped while it was being terminated.";
                if (_record.Host is not null)
                {
                    _host = await provisioner.ReattachAsync(_record.Host, cancellationToken);
                }

                await EndAsync(_record.Host is null || isHalf ? SandboxState.Failed : SandboxState.Terminated, _record.StateReasonCode ?? ReasonCodes.Lost, reason, TimeSpan.Zero);
                return;
            }

            var host = await provisioner.ReattachAsync(_record.Host, cancellationToken);
            lock (_gate)
            {
                _host = host; // Nothing of its record has changed, so nothing is written.
            }

            var power = host.PowerOf<IPausable>();
            if (_record.State == SandboxState.Paused && power is not null)
            {
                await StaySleepingAsync(host, power, replay.PositionIn, replay.PausedAt ?? _time.GetUtcNow(), cancellationToken);
            }
            else
            {
                if (power is { IsPaused: true })
                {
                    await power.ResumeAsync(cancellationToken); // The gateway ended in the middle of a pause that nobody was told of.
                }

                await TakeUpAsync(host, replay.PositionIn, cancellationToken);
            }

            if (host is IFileHost place)
            {
                await SnapshotVariables.TidyUpAsync(place, Id, cancellationToken);
            }

            if (_record.State is not (SandboxState.Running or SandboxState.Paused))
            {
                Enter(SandboxState.Running, null);
            }

            _ = WatchAsync(host);
        }
        catch (Exception e)
        {
            LogLost(_logger, Id, e.Message);
            await EndAsync(SandboxState.Lost, ReasonCodes.Lost, e is GatewayException ? e.Message : "It could not be found again after the gateway was restarted.", TimeSpan.Zero);
        }
        finally
        {
            _started.TrySetResult();
            _life.Release();
        }
    }

    private async Task TakeUpAsync(IKernelHost host, Func<string, SourcePosition?> recorded, CancellationToken cancellationToken)
    {
        _commands.Attach(host, recorded);
        await OpenEgressAsync(host, cancellationToken); // Before anything else that takes time: code in it has been waiting for it.
        await KillForgottenAsync(host);
        foreach (var session in _asleep is null ? TakeOverContexts(host) : _contexts.All)
        {
            await ReattachAsync(session, recorded, cancellationToken);
        }

        if (_contexts.Count == 0)
        {
            await StartDefaultAsync(host, cancellationToken);
            RememberKernel(_contexts.Find(null));
        }
    }

    /// <summary>All of them before the first can fail: what becomes of the sandbox becomes of its runs.</summary>
    private IReadOnlyList<KernelSession> TakeOverContexts(IKernelHost host)
    {
        foreach (var context in _record.Contexts)
        {
            var session = NewSession(host, context);
            session.TakeOverRuns();
            _contexts.Add(session);
        }

        return _contexts.All;
    }

    /// <summary>Ends it. Can be called again and by many at once: the first does it, the others wait.</summary>
    /// <param name="code">Why, one of <see cref="ReasonCodes"/>.</param>
    /// <param name="reason">The same in a sentence.</param>
    /// <param name="grace">How long processes may take to end by themselves.</param>
    internal Task TerminateAsync(string code, string reason, TimeSpan grace) => EndOnceAsync(SandboxState.Terminated, code, reason, grace);

    private async Task EndOnceAsync(SandboxState state, string code, string reason, TimeSpan grace)
    {
        await _ending.CancelAsync();
        await _life.WaitAsync();
        try
        {
            if (!_record.HasEnded)
            {
                await EndAsync(state, code, reason, grace);
            }
        }
        finally
        {
            _life.Release();
        }
    }

    private static GatewayException EndedMeanwhile() => new(ErrorCode.Conflict, "The sandbox was ended meanwhile.");

    /// <summary>Why it must end now, as a word and as a sentence; null when it need not.</summary>
    internal (string Code, string Reason)? EndDue()
    {
        lock (_gate)
        {
            if (_record.State is not (SandboxState.Running or SandboxState.Paused))
            {
                return null;
            }

            if (_record.LifetimeSeconds > 0 && _time.GetElapsedTime(_createdTimestamp).TotalSeconds >= _record.LifetimeSeconds)
            {
                return (ReasonCodes.Lifetime, "Its lifetime is over.");
            }

            if (_record.State == SandboxState.Paused || _readers > 0 || _contexts.AreBusy || _commands.IsBusy)
            {
                _lastActivity = _time.GetTimestamp();
                return null;
            }

            return _record.IdleTimeoutSeconds > 0 && _time.GetElapsedTime(_lastActivity).TotalSeconds >= _record.IdleTimeoutSeconds
                ? (ReasonCodes.Idle, "It was not used for its idle time.")
                : null;
        }
    }

    /// <summary>How long ago it ended, whatever was done to the wall clock; null when it has not.</summary>
    internal TimeSpan? EndedFor
    {
        get
        {
            lock (_gate)
            {
                return _record is { HasEnded: true, EndedAt: not null } ? _time.GetElapsedTime(_endedTimestamp) : null;
            }
        }
    }

    /// <summary>Lets go of it and leaves everything running, for the next gateway to take up.</summary>
    public async ValueTask DisposeAsync()
    {
        await _life.WaitAsync();
        try
        {
            await _contexts.ReleaseAsync();
            await _commands.DisposeAsync();
            await CloseEgressAsync();
            if (_host is not null)
            {
                await _host.DisposeAsync();
            }
        }
        finally
        {
            Journal.Dispose();
            _life.Release();
        }
    }

    private async Task StartDefaultAsync(IKernelHost host, CancellationToken cancellationToken)
    {
        var session = NewSession(host, DefaultPlan);
        _contexts.Add(session); // At once: it is shown while it starts.
        await session.StartAsync(NextKernelId(), KernelVariables(), cancellationToken);
    }

    private async Task WatchAsync(IKernelHost host)
    {
        var exit = await host.Exited;
        await LastWordsAsync();
        await _life.WaitAsync();
        try
        {
            if (!_record.HasEnded && ReferenceEquals(_host, host))
            {
                await EndAsync(SandboxState.Failed, exit.Reason, exit.Message, TimeSpan.Zero);
            }
        }
        finally
        {
            _life.Release();
        }
    }

    /// <summary>What its kernel said before the place was gone comes before the end, which says why, too.</summary>
    private async Task LastWordsAsync()
    {
        using var patience = new CancellationTokenSource(_options.KillGrace, _time);
        try
        {
            await _contexts.WaitForEndsAsync(patience.Token);
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
            // It is ended without them.
        }
    }

    private async Task EndAsync(SandboxState state, string code, string reason, TimeSpan grace)
    {
        ChangeAnyway(r => r with { State = SandboxState.Terminating, StateReason = reason, StateReasonCode = code });
        _contexts.CancelAll(code, reason, onPurpose: state == SandboxState.Terminated);
        await CloseEgressAsync();
        if (_host is { } host)
        {
            try
            {
                Fault.At("sandbox.ending");
                await host.TerminateAsync(grace, CancellationToken.None);
                Fault.At("sandbox.host_ended");
            }
            catch (Exception e) when (e is GatewayException or IOException)
            {
                LogNotRemoved(_logger, Id, e.Message);
                reason += $" Something of it may be left on the host: {e.Message}";
            }

            await _contexts.ReleaseAsync();
            await host.DisposeAsync();
        }

        await _commands.EndAsync(code, reason);
        lock (_gate)
        {
            _host = null;
        }

        _endedTimestamp = _time.GetTimestamp();
        ChangeAnyway(r => r with { State = state, StateReason = reason, StateReasonCode = code, Host = null, EndedAt = _time.GetUtcNow() });
        try
        {
            Journal.Append(StateEntry(state, reason, code));
        }
        catch (GatewayException e)
        {
            LogNotRecorded(_logger, Id, e.Message);
        }

        Journal.Complete();
        LogEnded(_logger, Id, state, reason);
    }

    /// <summary>A state change is in the store before it is in the journal: who reads the event may rely on the record.</summary>
    private void Enter(SandboxState state, string? reason)
    {
        Change(r => r with { State = state, StateReason = reason });
        Journal.Append(StateEntry(state, reason));
    }

    private static JournalEntry StateEntry(SandboxState state, string? reason, string? code = null) => new()
    {
        Kind = JournalEntryKind.SandboxState,
        Frames = Notes.Frame(new Notes.StateNote(state.ToString(), reason, code)),
    };

    /// <summary>A change that must not fail because the disk is full: an end. A gateway that starts later finds out by itself.</summary>
    private void ChangeAnyway(Func<SandboxRecord, SandboxRecord> change)
    {
        try
        {
            Change(change);
        }
        catch (GatewayException e)
        {
            LogNotRecorded(_logger, Id, e.Message);
        }
    }

    private void Change(Func<SandboxRecord, SandboxRecord> change, IKernelHost? host = null)
    {
        SandboxRecord changed;
        lock (_gate)
        {
            changed = _record = change(_record);
            _host = host ?? _host;
        }

        _store.Save(changed);
    }

    private string NextKernelId()
    {
        Change(r => r with { KernelsStarted = r.KernelsStarted + 1 });
        return string.Create(System.Globalization.CultureInfo.InvariantCulture, $"k{_record.KernelsStarted}");
    }

    private static Dictionary<string, string> Merge(IReadOnlyDictionary<string, string> first, IReadOnlyDictionary<string, string> over)
    {
        var merged = new Dictionary<string, string>(first);
        foreach (var (name, value) in over)
        {
            merged[name] = value;
        }

        return merged;
    }

    [LoggerMessage(LogLevel.Information, "Sandbox {SandboxId} is {State}: {Reason}")]
    private static partial void LogEnded(ILogger logger, string sandboxId, SandboxState state, string reason);

    [LoggerMessage(LogLevel.Warning, "Sandbox {SandboxId} was not found again: {Reason}")]
    private static partial void LogLost(ILogger logger, string sandboxId, string reason);

    [LoggerMessage(LogLevel.Error, "Sandbox {SandboxId} could not be removed completely: {Reason}")]
    private static partial void LogNotRemoved(ILogger logger, string sandboxId, string reason);

    [LoggerMessage(LogLevel.Error, "The end of sandbox {SandboxId} could not be recorded: {Reason}")]
    private static partial void LogNotRecorded(ILogger logger, string sandboxId, string reason);
}
