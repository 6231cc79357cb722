using KernelGateway.Contracts;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Faults;
using KernelGateway.Core.Journals;
using KernelGateway.Core.Provisioning;
using Microsoft.Extensions.Logging;

namespace KernelGateway.Core.Sandboxes;

/// <summary>When and how it ends. Under <c>_life</c>.</summary>
public sealed partial class Sandbox
{
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

            if (_record.LifetimeSeconds > 0 && _clock.Lived.TotalSeconds >= _record.LifetimeSeconds)
            {
                return (ReasonCodes.Lifetime, "Its lifetime is over.");
            }

            if (_record.State == SandboxState.Paused || _clock.IsHeld || _contexts.AreBusy || _commands.IsBusy)
            {
                _clock.Excuse();
                return null;
            }

            return _record.IdleTimeoutSeconds > 0 && _clock.Unused.TotalSeconds >= _record.IdleTimeoutSeconds
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
                return _record is { HasEnded: true, EndedAt: not null } ? _clock.Over : null;
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

        _clock.End();
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

    [LoggerMessage(LogLevel.Information, "Sandbox {SandboxId} is {State}: {Reason}")]
    private static partial void LogEnded(ILogger logger, string sandboxId, SandboxState state, string reason);

    [LoggerMessage(LogLevel.Error, "Sandbox {SandboxId} could not be removed completely: {Reason}")]
    private static partial void LogNotRemoved(ILogger logger, string sandboxId, string reason);
}
