using System.Collections.Concurrent;
using KernelGateway.Jupyter.Messaging;

namespace KernelGateway.Jupyter;

/// <summary>When the kernel may be used.</summary>
public sealed partial class KernelClient
{
    // A request is not lost while the kernel starts, so asking again has no hurry; it is for a kernel that was replaced.
    private static readonly TimeSpan AskAgainForReply = TimeSpan.FromSeconds(2);

    // After the reply it is only a matter of the subscription arriving.
    private static readonly TimeSpan FirstAskAgainForIopub = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan LastAskAgainForIopub = TimeSpan.FromMilliseconds(320);

    // How long an execution whose idle status may be lost waits for a sign that none will come.
    private static readonly TimeSpan GapPatience = TimeSpan.FromSeconds(30);

    // By the id of each question asked.
    private readonly ConcurrentDictionary<string, ReadinessProbe> _probes = new(StringComparer.Ordinal);

    /// <summary>
    /// Waits until the kernel is ready: it has answered a kernel_info_request, and IOPub has spoken of it as well.
    /// The reply alone is not enough: what is executed right after it may be published before the subscription arrives.
    /// Where IOPub is only a wake-up call, any message on it will do, and then the owner's
    /// <see cref="KernelClientOptions.ConfirmReady"/>.
    /// </summary>
    /// <param name="timeout">How long at most. A kernel that runs code does not answer.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="KernelException">It was not ready in time.</exception>
    /// <exception cref="KernelGoneException">It went away.</exception>
    public async Task WaitForReadyAsync(TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        using var deadline = new CancellationTokenSource(timeout, _options.TimeProvider);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        var probe = new ReadinessProbe();
        var asked = new List<string>();
        try
        {
            await AskUntilHeardAsync(probe, asked, both.Token);
            if (_options.ConfirmReady is { } confirm)
            {
                await confirm(asked, both.Token);
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            ThrowIfClosed();
            var missing = probe.HasReplied.IsCompleted ? "its output channel was silent" : "it did not answer";
            throw new KernelException($"The kernel was not ready after {timeout.TotalSeconds:0.#} s: {missing}.");
        }
        finally
        {
            foreach (var id in asked)
            {
                _probes.TryRemove(id, out _);
            }
        }
    }

    private async Task AskUntilHeardAsync(ReadinessProbe probe, List<string> asked, CancellationToken cancellationToken)
    {
        var again = FirstAskAgainForIopub;
        while (true)
        {
            var request = CreateRequest(MessageTypes.KernelInfoRequest);
            asked.Add(request.MsgId);
            _probes[request.MsgId] = probe;
            await SendAsync(KernelChannel.Shell, request, cancellationToken);
            ThrowIfClosed(); // Closed between registering and now: nobody else would tell the probe.
            if (!await IsHeardAsync(probe.HasReplied, AskAgainForReply, cancellationToken))
            {
                continue;
            }

            if (await IsHeardAsync(probe.HasSpoken, again, cancellationToken))
            {
                return;
            }

            again = again * 2 < LastAskAgainForIopub ? again * 2 : LastAskAgainForIopub;
        }
    }

    private async Task<bool> IsHeardAsync(Task heard, TimeSpan patience, CancellationToken cancellationToken)
    {
        try
        {
            await heard.WaitAsync(patience, _options.TimeProvider, cancellationToken);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }

    private bool ProbeReplied(KernelChannel channel, JupyterMessage reply)
    {
        if (channel != KernelChannel.Shell || reply.ParentMsgId is not { } parent || !_probes.TryGetValue(parent, out var probe))
        {
            return false;
        }

        probe.Replied();
        return true;
    }

    internal void IopubSpokeToAllProbes()
    {
        foreach (var (_, probe) in _probes)
        {
            probe.IopubSpoke();
        }
    }

    /// <summary>The idle status of what runs may have been published while nobody listened: without this, its end would never be seen.</summary>
    private void OutputsMayBeLost()
    {
        foreach (var (_, execution) in _executions)
        {
            _ = EndWithoutIdleAsync(execution);
        }
    }

    private async Task EndWithoutIdleAsync(KernelExecution execution)
    {
        try
        {
            await execution.Reply;

            // IOPub keeps its order: when it speaks of a request sent after the reply, nothing of the run can follow.
            await WaitForReadyAsync(GapPatience, _stop.Token);
        }
        catch (Exception e) when (e is KernelException or OperationCanceledException)
        {
            // Gone, which the execution hears by itself, or busy with other code for longer than we care.
        }

        execution.EndWithoutIdle();
    }
}
