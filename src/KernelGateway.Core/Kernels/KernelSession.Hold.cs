using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;
using KernelGateway.Jupyter;

namespace KernelGateway.Core.Kernels;

/// <summary>Holding it still: no run begins, so that what its kernel has is that of one moment.</summary>
internal sealed partial class KernelSession
{
    // While it is held; completes when nothing runs any more. Changed under the gate.
    private TaskCompletionSource? _hold;

    /// <summary>Whether its kernel can be asked now.</summary>
    public bool IsAlive
    {
        get
        {
            lock (_gate)
            {
                return _state != Contracts.Sandboxes.KernelState.Dead && _link is not null;
            }
        }
    }

    /// <summary>Lets no further run begin and waits for the end of the one under way. What is submitted meanwhile waits until it is let go.</summary>
    /// <param name="wait">Whether to wait.</param>
    /// <param name="cancellationToken">Ends the waiting; it is not held then.</param>
    /// <exception cref="GatewayException"><see cref="ErrorCode.Conflict"/>: code runs, and that is not to be waited for.</exception>
    public async Task<IDisposable> HoldAsync(bool wait, CancellationToken cancellationToken)
    {
        var quiet = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            if (!wait && _current is not null)
            {
                throw new GatewayException(ErrorCode.Conflict, $"The kernel of context '{Id}' runs code. Ask again with wait=true, or later.");
            }

            _hold = quiet;
            if (_current is null)
            {
                quiet.TrySetResult();
            }
        }

        var hold = new HoldEnd(this);
        try
        {
            await quiet.Task.WaitAsync(cancellationToken);
            return hold;
        }
        catch
        {
            hold.Dispose();
            throw;
        }
    }

    /// <summary>Interrupts a question that takes too long; the kernel and its variables stay.</summary>
    public async Task InterruptQuestionAsync()
    {
        KernelLink? link;
        lock (_gate)
        {
            link = _current is null ? _link : null;
        }

        try
        {
            await (link?.SignalAsync(KernelSignal.Interrupt, CancellationToken.None) ?? Task.CompletedTask);
        }
        catch (Exception e) when (e is GatewayException or KernelException or ObjectDisposedException)
        {
            LogNotInterrupted(_logger, _sandboxId, e.Message);
        }
    }

    private sealed class HoldEnd(KernelSession session) : IDisposable
    {
        public void Dispose()
        {
            lock (session._gate)
            {
                session._hold = null;
                session.SendNext();
            }
        }
    }
}
