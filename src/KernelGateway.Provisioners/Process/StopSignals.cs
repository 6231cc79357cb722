using KernelGateway.Core.Errors;
using KernelGateway.Provisioners.Launcher;
using KernelGateway.Provisioners.Native;

namespace KernelGateway.Provisioners.Process;

/// <summary>Stops the processes of a place that has no control group, by signals that no program can refuse.</summary>
/// <remarks>What had stopped itself before goes on with the others. A process that wiped its environment is not found and runs on, as it would over the end of its sandbox.</remarks>
internal sealed class StopSignals(WatchedProcess agent, MarkedProcesses processes, TimeProvider time) : IFreezer
{
    private static readonly TimeSpan Step = TimeSpan.FromMilliseconds(2);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    // One look can miss a child whose parent is stopped in between.
    private const int LooksWithoutFinding = 2;

    public bool IsFrozen => WatchedProcess.ReadState(agent.Pid) is 'T' or 't';

    public async Task FreezeAsync(CancellationToken cancellationToken)
    {
        var started = time.GetTimestamp();
        try
        {
            // The agent first: it starts what the others would have to be looked for again. Those that are made meanwhile are found by the next look.
            agent.Signal(LibC.SigStop);
            for (var still = 0; still < LooksWithoutFinding;)
            {
                still = processes.SignalRunning(LibC.SigStop) > 0 ? 0 : still + 1;
                if (time.GetElapsedTime(started) > Patience)
                {
                    throw new GatewayException(ErrorCode.Conflict, $"Some processes of the sandbox could not be stopped within {Patience.TotalSeconds:0} s; it goes on. Try again.");
                }

                await Task.Delay(Step, time, cancellationToken);
            }
        }
        catch
        {
            Thaw();
            throw;
        }
    }

    public void Thaw() => processes.Signal(LibC.SigCont);
}
