using KernelGateway.Core.Commands;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;
using KernelGateway.Jupyter;
using KernelGateway.Provisioners.Native;

namespace KernelGateway.Provisioners.Launcher;

/// <summary>A kernel that an agent has started.</summary>
internal sealed class LauncherKernel(LauncherHost host, KernelRecord record, LauncherPlace place, long number) : IHostedKernel
{
    private readonly string[] _sockets = [.. Enumerable.Range(1, 5).Select(port => $"{record.Id}-{port}")];
    private readonly TaskCompletionSource<KernelExit> _exited = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // The last signal that was sent to end it; what follows is our doing.
    private volatile int _asked;

    public string Id => record.Id;

    public Task<KernelExit> Exited => _exited.Task;

    public KernelLogLocation? Log { get; } = record.KeepsLog
        ? new KernelLogLocation(Path.Combine(place.LogsOnHost, record.Id), place.Uid)
        : null;

    /// <summary>Its place in the order of launches.</summary>
    internal long Number => number;

    /// <summary>What is remembered of it over a restart of the gateway.</summary>
    internal KernelRecord Record => _exited.Task is { IsCompletedSuccessfully: true } ended
        ? record with { Exit = ended.GetAwaiter().GetResult() }
        : record;

    public async Task<KernelClient> ConnectAsync(KernelClientOptions options, CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var bound = place.Sockets.WaitForAsync(_sockets, either.Token);
        if (await Task.WhenAny(bound, Exited) == Exited && !bound.IsCompleted)
        {
            await either.CancelAsync();
            throw Ended(await Exited);
        }

        await bound;
        // A handle for this client alone: it connects again by itself, perhaps after the place was let go.
        var folder = place.Sockets.Reopen();
        try
        {
            var client = await KernelClient.ConnectAsync(
                KernelPlan.ConnectionOf(record, place),
                options with
                {
                    SocketDirectory = folder.Handle,
                    ExpectedPeerUid = place.Uid,
                    InterruptBySignal = options.InterruptBySignal ?? (record.InterruptBySignal ? token => SignalAsync(KernelSignal.Interrupt, token) : null),
                },
                cancellationToken);
            _ = client.Closed.ContinueWith((_, state) => ((FolderHandle)state!).Dispose(), folder, TaskScheduler.Default);
            return client;
        }
        catch (KernelException error)
        {
            folder.Dispose();
            throw Exited.IsCompleted ? Ended(await Exited) : new GatewayException(ErrorCode.KernelFailed, error.Message, inner: error);
        }
        catch
        {
            folder.Dispose();
            throw;
        }
    }

    public async Task SignalAsync(KernelSignal signal, CancellationToken cancellationToken)
    {
        if (Exited.IsCompleted)
        {
            throw Ended(await Exited);
        }

        if (signal is not KernelSignal.Interrupt)
        {
            _asked = (int)signal;
        }

        // A kernel leads its own process group. Terminate goes to the kernel alone, which may want to tidy up its children.
        await host.SignalAsync(Id, (int)signal, group: signal is not KernelSignal.Terminate, cancellationToken);
    }

    public async Task TerminateChildrenAsync(CancellationToken cancellationToken)
    {
        if (Exited.IsCompleted)
        {
            throw Ended(await Exited);
        }

        await host.TerminateChildrenAsync(Id, cancellationToken);
    }

    /// <summary>Its process has ended, as the agent says.</summary>
    internal void End(AgentExit exit, bool terminating, bool outOfMemory) => _exited.TrySetResult(Explain(exit, terminating, outOfMemory));

    /// <summary>Its place has ended, and nobody could say more of the kernel.</summary>
    internal void EndWithPlace(HostExit exit) => _exited.TrySetResult(exit.Reason is "terminated" or "oom"
        ? new KernelExit(exit.Reason, exit.Message, null, null, null)
        : new KernelExit("lost", exit.Message, null, null, null));

    /// <summary>Known to have ended in the past.</summary>
    internal void EndAgain(KernelExit exit) => _exited.TrySetResult(exit);

    private KernelExit Explain(AgentExit exit, bool terminating, bool outOfMemory)
    {
        KernelExit Because(string reason, string message) => new(reason, message, exit.Code, exit.Signal, exit.StderrTail);
        if (terminating || _asked == (int)KernelSignal.Kill || (_asked == (int)KernelSignal.Terminate && exit.Signal is null or LibC.SigTerm))
        {
            return Because("terminated", "The kernel was ended on request.");
        }

        if (exit.Signal is not { } signal)
        {
            return Because("exited", $"The kernel exited by itself with code {exit.Code ?? -1}.");
        }

        return signal == LibC.SigKill && outOfMemory
            ? Because("oom", "The kernel was ended because the sandbox was out of memory.")
            : Because("signal", $"The kernel was ended by signal {SignalNames.Describe(signal)}.");
    }

    private static GatewayException Ended(KernelExit exit) =>
        new(ErrorCode.KernelFailed, exit.StderrTail is { } tail ? $"{exit.Message} Its last words: {tail}" : exit.Message);
}
