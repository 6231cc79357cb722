using KernelGateway.Contracts;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Journals;
using KernelGateway.Core.Kernels;
using KernelGateway.Core.Provisioning;
using KernelGateway.Core.Snapshots;
using Microsoft.Extensions.Logging;

namespace KernelGateway.Core.Sandboxes;

/// <summary>Finding it again after the gateway was away. Under <c>_life</c>.</summary>
public sealed partial class Sandbox
{
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

    [LoggerMessage(LogLevel.Warning, "Sandbox {SandboxId} was not found again: {Reason}")]
    private static partial void LogLost(ILogger logger, string sandboxId, string reason);
}
