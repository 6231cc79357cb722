using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;
using KernelGateway.Jupyter;
using KernelGateway.Jupyter.Messaging;
using Newtonsoft.Json.Linq;

namespace KernelGateway.Provisioners.JupyterServer;

/// <summary>A kernel that lives in a Jupyter Server.</summary>
internal sealed class HostedServerKernel(ServerHost host, ServerKernelRecord record) : IHostedKernel
{
    // A kernel that has not spoken yet is waited for by the server.
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(60);

    private readonly TaskCompletionSource<KernelExit> _exited = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public string Id => record.Id;

    public Task<KernelExit> Exited => _exited.Task;

    /// <summary>Somebody else has started it: it keeps none.</summary>
    public KernelLogLocation? Log => null;

    internal string ServerId => record.ServerId;

    internal bool IsAdopted => record.IsAdopted;

    /// <summary>Whether the server was seen not to have it any more.</summary>
    internal bool IsGone { get; set; }

    internal ServerKernelRecord Record => _exited.Task is { IsCompletedSuccessfully: true } ended ? record with { Exit = ended.GetAwaiter().GetResult() } : record;

    public async Task<KernelClient> ConnectAsync(KernelClientOptions options, CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var connecting = host.ConnectAsync(
            record.ServerId,
            options with
            {
                ConnectTimeout = host.IsFoundAgain ? options.ConnectTimeout / 3 : ConnectTimeout,
                OnIopub = message => OnIopubAsync(message, options.OnIopub),
                InterruptBySignal = options.InterruptBySignal ?? (token => SignalAsync(KernelSignal.Interrupt, token)),
            },
            either.Token);
        if (await Task.WhenAny(connecting, Exited) == Exited && !connecting.IsCompleted)
        {
            await either.CancelAsync();
            throw Ended(await Exited);
        }

        try
        {
            var client = await connecting;

            // A connection that the server refuses for good, or that cannot be made again, is the end of the kernel for us.
            _ = client.Closed.ContinueWith(closed => Lose(closed.GetAwaiter().GetResult()), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            return client;
        }
        catch (KernelException e)
        {
            throw Exited.IsCompleted ? Ended(await Exited) : new GatewayException(ErrorCode.KernelFailed, e.Message, inner: e);
        }
    }

    public async Task SignalAsync(KernelSignal signal, CancellationToken cancellationToken)
    {
        if (Exited.IsCompleted)
        {
            throw Ended(await Exited);
        }

        if (signal is KernelSignal.Interrupt)
        {
            await host.InterruptAsync(record.ServerId, cancellationToken);
            return;
        }

        await host.EndKernelAsync(this);
        End(new KernelExit("terminated", record.IsAdopted ? "The kernel was let go; it lives on in its server." : "The kernel was ended on request.", null, null, null));
    }

    public Task TerminateChildrenAsync(CancellationToken cancellationToken) =>
        throw new GatewayException(ErrorCode.NotSupported, "Processes that a kernel in a Jupyter Server has started cannot be ended by themselves, only together with it.");

    /// <summary>It has ended.</summary>
    internal void End(KernelExit exit) => _exited.TrySetResult(exit);

    private async ValueTask OnIopubAsync(JupyterMessage message, Func<JupyterMessage, ValueTask>? next)
    {
        if (next is not null)
        {
            await next(message);
        }

        if (message.MsgType == MessageTypes.Status)
        {
            Judge(message);
        }
    }

    /// <summary>The server itself says when a kernel has died and another one has taken its place; and every process has a session name of its own.</summary>
    private void Judge(JupyterMessage status)
    {
        var state = status.Content["execution_state"] is JValue { Value: string text } ? text : "";
        if (status.ParentMsgId is null && state is "restarting" or "dead")
        {
            Replaced(state == "dead" ? "The kernel has died, and its server has given up to start it again." : "The kernel has died, and its server starts another one in its place; its variables are gone.");
        }
        else if (record.Session is { } own && state is "busy" or "idle" && status.Header.Session is { Length: > 0 } session && session != own)
        {
            Replaced("The kernel was replaced by another one in its server; its variables are gone.");
        }
    }

    private void Replaced(string message)
    {
        if (_exited.TrySetResult(new KernelExit("exited", message, null, null, null)))
        {
            _ = host.EndKernelAsync(this);
        }
    }

    private void Lose(Exception reason)
    {
        if (reason is not ObjectDisposedException)
        {
            End(new KernelExit("lost", reason.Message, null, null, null));
        }
    }

    private static GatewayException Ended(KernelExit exit) => new(ErrorCode.KernelFailed, exit.Message);
}
