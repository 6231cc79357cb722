using KernelGateway.Contracts;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Faults;
using KernelGateway.Core.Journals;
using KernelGateway.Core.Provisioning;

namespace KernelGateway.Core.Sandboxes;

/// <summary>Standing still and going on. What the store says counts after a crash: it is changed last when pausing and first when resuming.</summary>
public sealed partial class Sandbox
{
    // How it was found paused after a restart of the gateway; null once it was taken up. Changed under _life only.
    private (Func<string, SourcePosition?> Recorded, DateTimeOffset Since)? _asleep;

    /// <summary>Stops everything in it where it stands. Does nothing to one that is paused, but for <paramref name="autoResume"/>.</summary>
    /// <param name="autoResume">Whether use resumes it; <c>null</c>: as it was created.</param>
    /// <param name="pausable">The variants that can, for a refusal.</param>
    /// <param name="cancellationToken">Stops the attempt; it goes on then.</param>
    internal async Task PauseAsync(bool? autoResume, IReadOnlyCollection<string> pausable, CancellationToken cancellationToken)
    {
        _ = DemandLive("paused");
        await LiveAsync(either => PauseLiveAsync(autoResume, pausable, either), cancellationToken);
    }

    /// <summary>Lets everything go on. Does nothing to one that runs.</summary>
    /// <exception cref="GatewayException">It does not live, or is not there any more.</exception>
    public Task ResumeAsync(CancellationToken cancellationToken)
    {
        _ = DemandLive("resumed");
        return ResumeAsync(null, cancellationToken);
    }

    /// <param name="reason">Why, when its owner did not ask for it.</param>
    /// <param name="cancellationToken">Stops waiting for its turn.</param>
    /// <returns>Whether it stood still.</returns>
    private Task<bool> ResumeAsync(string? reason, CancellationToken cancellationToken) => LiveAsync(
        async _ =>
        {
            var before = DemandLive("resumed");
            if (before.State == SandboxState.Running)
            {
                return false;
            }

            _store.Save(before with { State = SandboxState.Running });
            Fault.At("sandbox.resuming");
            await GoOnAsync(before);
            _clock.Use(); // Its idle time begins anew.
            ChangeAnyway(r => r with { State = SandboxState.Running });
            ResumeSessions();
            try
            {
                Journal.Append(StateEntry(SandboxState.Running, reason));
            }
            catch (GatewayException e)
            {
                LogNotRecorded(_logger, Id, e.Message); // It runs all the same.
            }

            return true;
        },
        cancellationToken);

    private async Task<bool> PauseLiveAsync(bool? autoResume, IReadOnlyCollection<string> pausable, CancellationToken cancellationToken)
    {
        var before = DemandLive("paused");
        var after = before with { State = SandboxState.Paused, AutoResume = autoResume ?? before.AutoResume };
        if (before.State == SandboxState.Paused)
        {
            if (after != before)
            {
                Remember(after);
            }

            return true;
        }

        var power = PowerOf<IPausable>(before, "pause sandboxes", pausable);
        try
        {
            foreach (var session in _contexts.All)
            {
                session.Pause();
            }

            await power.PauseAsync(cancellationToken);
        }
        catch
        {
            ResumeSessions();
            throw;
        }

        Fault.At("sandbox.frozen");
        try
        {
            Remember(after);
            Journal.Append(StateEntry(SandboxState.Paused, null));
        }
        catch (GatewayException)
        {
            ChangeAnyway(_ => before);
            await power.ResumeAsync(CancellationToken.None);
            ResumeSessions();
            throw;
        }

        return true;
    }

    /// <summary>Use resumes it where that was asked for. What is used then finds it running, or refuses.</summary>
    private Task AwakeAsync(CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (_record is not { State: SandboxState.Paused, AutoResume: true })
            {
                return Task.CompletedTask;
            }
        }

        return ResumeAsync("It was used.", cancellationToken);
    }

    private async Task GoOnAsync(SandboxRecord paused)
    {
        var host = _host!;
        try
        {
            await host.PowerOf<IPausable>()!.ResumeAsync(CancellationToken.None);
            if (_asleep is { } asleep)
            {
                _executions.StandStill(_time.GetUtcNow() - asleep.Since);
                await TakeUpAsync(host, asleep.Recorded, CancellationToken.None);
                _asleep = null;
            }
        }
        catch (GatewayException e) when (_asleep is not null)
        {
            LogLost(_logger, Id, e.Message);
            await EndAsync(SandboxState.Lost, ReasonCodes.Lost, e.Message, TimeSpan.Zero);
            throw;
        }
        catch (GatewayException)
        {
            ChangeAnyway(_ => paused);
            throw;
        }
    }

    /// <summary>After a restart of the gateway: leaves it as it stands, its runs and contexts included.</summary>
    private async Task StaySleepingAsync(IKernelHost host, IPausable power, Func<string, SourcePosition?> recorded, DateTimeOffset since, CancellationToken cancellationToken)
    {
        if (!power.IsPaused)
        {
            await power.PauseAsync(cancellationToken); // Somebody let it go on: not its owner.
        }

        foreach (var session in TakeOverContexts(host))
        {
            session.StayAsleep();
        }

        _asleep = (recorded, since);
    }

    private void ResumeSessions()
    {
        foreach (var session in _contexts.All)
        {
            session.Resume();
        }
    }

    private SandboxRecord DemandLive(string what)
    {
        lock (_gate)
        {
            return _record.State is SandboxState.Running or SandboxState.Paused ? _record : throw NotRunning($"it cannot be {what}");
        }
    }
}
