using KernelGateway.Contracts.Executions;
using KernelGateway.Core.Executions;
using KernelGateway.Core.Sandboxes;

namespace KernelGateway.Core.Kernels;

/// <summary>Ends a run that does not end by itself: takes one step after the other, each with more force, until it has ended.</summary>
/// <param name="execution">The run.</param>
/// <param name="kernelEnded">Completes when the process of its kernel has ended.</param>
/// <param name="take">Takes a step; must not throw.</param>
/// <param name="options">How long to wait after each.</param>
/// <param name="time">The clock.</param>
internal sealed class Escalation(
    Execution execution,
    Task kernelEnded,
    Func<EscalationStep, CancellationToken, Task> take,
    SandboxOptions options,
    TimeProvider time)
{
    /// <summary>Climbs from a step to the last.</summary>
    /// <param name="from">The first step; taken again when the gateway was restarted after it.</param>
    /// <param name="waited">How long that step had its time already.</param>
    /// <param name="cancellationToken">Stops climbing; the run goes on.</param>
    public async Task ClimbAsync(EscalationStep from, TimeSpan waited, CancellationToken cancellationToken)
    {
        for (var step = from; step <= EscalationStep.EndSandbox; step++)
        {
            var patience = PatienceAfter(step) - waited;
            waited = TimeSpan.Zero;
            if (await EndsAsync(step, patience > TimeSpan.Zero ? patience : TimeSpan.Zero, cancellationToken))
            {
                return;
            }
        }
    }

    /// <summary>Takes a step; true when the run ends in time, or when there is nothing left to be done for it.</summary>
    private async Task<bool> EndsAsync(EscalationStep step, TimeSpan patience, CancellationToken cancellationToken)
    {
        // A step that hangs, because sandboxed code has stopped those who should take it, must not hold up the next.
        using var over = new CancellationTokenSource(patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(over.Token, cancellationToken);
        var taking = take(step, either.Token);
        try
        {
            // A killed kernel's last words may still wait for room in the journal; there is nothing more to kill.
            await Task.WhenAny(execution.Finished, kernelEnded).WaitAsync(either.Token);
            return true;
        }
        catch (OperationCanceledException)
        {
            await taking;
            return cancellationToken.IsCancellationRequested || execution.HasEnded || kernelEnded.IsCompleted;
        }
    }

    private TimeSpan PatienceAfter(EscalationStep step) => step switch
    {
        EscalationStep.Interrupt => options.InterruptGrace,
        EscalationStep.TerminateChildren => options.ChildrenGrace,
        _ => options.KillGrace,
    };
}
