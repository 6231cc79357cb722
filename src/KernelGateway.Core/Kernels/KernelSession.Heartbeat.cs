using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Errors;
using KernelGateway.Jupyter;

namespace KernelGateway.Core.Kernels;

/// <summary>
/// Whether the kernel answers. One that does not is reported and left alone: its code may need all its time, and limits of
/// time have ways of their own. Silences are counted in questions, not in seconds, so that a gateway that itself stood still
/// for an hour takes nobody for silent: it puts the next question and is answered.
/// </summary>
internal sealed partial class KernelSession
{
    private const int SilencesToReport = 3;
    private static readonly TimeSpan AnswerTime = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan AskAgain = TimeSpan.FromSeconds(1);

    private async Task ListenToHeartAsync(KernelLink link)
    {
        if (_options.HeartbeatInterval == TimeSpan.Zero)
        {
            return;
        }

        try
        {
            for (var silences = 0; !link.Ended.IsCompleted;)
            {
                await Task.Delay(silences == 0 ? _options.HeartbeatInterval : AskAgain, _time, link.LetGo);
                if (_paused)
                {
                    silences = 0;
                    continue;
                }

                try
                {
                    await link.Client.HeartbeatAsync(AnswerTime, link.LetGo);
                    silences = 0;
                    Hear(link, null);
                }
                catch (KernelException)
                {
                    silences = _paused ? 0 : silences + 1;
                    if (silences == SilencesToReport)
                    {
                        Hear(link, "It lives, but it does not answer: it was stopped, or its code keeps the interpreter to itself.");
                    }
                }
            }
        }
        catch (Exception e) when (e is OperationCanceledException or GatewayException or ObjectDisposedException)
        {
            // The link was let go, or there is nobody to ask any more.
        }
    }

    /// <param name="link">The kernel that was asked.</param>
    /// <param name="silence">What is wrong; null when it answers.</param>
    private void Hear(KernelLink link, string? silence)
    {
        lock (_gate)
        {
            if (_silence == silence || _link != link || _state != KernelState.Idle || link.Ended.IsCompleted)
            {
                return;
            }

            _silence = silence;
            try
            {
                _journal.Append(StateEntry(Shown, silence));
            }
            catch (Exception e) when (e is GatewayException or ObjectDisposedException)
            {
                LogStorageFull(_logger, _sandboxId, e.Message); // The state can be read all the same.
            }
        }
    }
}
