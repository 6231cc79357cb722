using KernelGateway.Core.Errors;
using KernelGateway.Core.Faults;
using KernelGateway.Core.Journals;
using KernelGateway.Core.Provisioning;
using KernelGateway.Jupyter;
using KernelGateway.Jupyter.Messaging;

namespace KernelGateway.Core.Kernels;

/// <summary>The gateway's hold on one live kernel: its channels, the place its output is read from, and the loop that reads it.</summary>
internal sealed class KernelLink : IAsyncDisposable
{
    private const int BatchEntries = 256;
    private const int BatchBytes = 1 << 20;

    private readonly IHostedKernel _kernel;
    private readonly IKernelOutputSource _source;
    private readonly Func<IReadOnlyList<KernelOutput>, CancellationToken, Task> _onOutputs;
    private readonly CancellationTokenSource _stop = new();
    private readonly CatchUpQuestions _questions = new();
    private KernelClient? _client;
    private Task<KernelExit?> _pump = Task.FromResult<KernelExit?>(null);

    private KernelLink(IHostedKernel kernel, IKernelOutputSource source, Func<IReadOnlyList<KernelOutput>, CancellationToken, Task> onOutputs)
    {
        _kernel = kernel;
        _source = source;
        _onOutputs = onOutputs;
        LetGo = _stop.Token;
    }

    /// <summary>The kernel's channels.</summary>
    /// <exception cref="GatewayException">The kernel had ended before this link was opened; only its last output can be had.</exception>
    public KernelClient Client => _client ?? throw new GatewayException(ErrorCode.KernelFailed, "The kernel has ended.");

    public string KernelId => _kernel.Id;

    /// <summary>Is cancelled when this link is let go.</summary>
    public CancellationToken LetGo { get; }

    /// <summary>Completes when the kernel has ended and all it had said was handed over; null when this link was let go before.</summary>
    public Task<KernelExit?> Ended => _pump;

    /// <summary>Completes when the kernel's process has ended; what it said last may still be on its way.</summary>
    public Task KernelEnded => _kernel.Exited;

    /// <summary>Connects to a kernel and begins to hand over what it says, from where <paramref name="resume"/> stands.</summary>
    public static async Task<KernelLink> OpenAsync(
        IHostedKernel kernel,
        string identity,
        SourcePosition? resume,
        bool isFoundAgain,
        Func<IReadOnlyList<KernelOutput>, CancellationToken, Task> onOutputs,
        TimeProvider time,
        CancellationToken cancellationToken)
    {
        var (source, options) = await OutputSources.OpenAsync(kernel, identity, resume, isFoundAgain, time);
        var link = new KernelLink(kernel, source, onOutputs);
        try
        {
            if (!kernel.Exited.IsCompleted)
            {
                link._client = await kernel.ConnectAsync(options, cancellationToken);
            }
        }
        catch (GatewayException) when (kernel.Exited.IsCompleted)
        {
            // It has just ended; what it said last is still to be read.
        }
        catch
        {
            await link.DisposeAsync();
            throw;
        }

        link._pump = Task.Run(link.PumpAsync, CancellationToken.None);
        return link;
    }

    /// <summary>Waits until the kernel answers; fails as soon as it ends.</summary>
    public async Task WaitForReadyAsync(TimeSpan timeout, CancellationToken cancellationToken)
    {
        if (_client is null)
        {
            throw Failed(await _kernel.Exited); // It had ended before there was anything to connect to.
        }

        using var gone = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var ready = Client.WaitForReadyAsync(timeout, gone.Token);
        if (await Task.WhenAny(ready, _kernel.Exited) != ready)
        {
            await gone.CancelAsync();
            throw Failed(await _kernel.Exited);
        }

        try
        {
            await ready;
        }
        catch (KernelException e)
        {
            throw new GatewayException(ErrorCode.KernelFailed, $"The kernel did not become ready: {e.Message}", inner: e);
        }
    }

    /// <summary>Completes when all that the kernel had said when this was called has been handed over.</summary>
    public Task CaughtUpAsync(CancellationToken cancellationToken) =>
        Task.WhenAny(_questions.Ask(), _pump).WaitAsync(cancellationToken);

    /// <summary>Sends an execute_request. The reply arrives as an output like everything else.</summary>
    public Task ExecuteAsync(JupyterMessage request, CancellationToken cancellationToken) =>
        Client.SendAsync(KernelChannel.Shell, request, cancellationToken);

    public Task SignalAsync(KernelSignal signal, CancellationToken cancellationToken) => _kernel.SignalAsync(signal, cancellationToken);

    public Task TerminateChildrenAsync(CancellationToken cancellationToken) => _kernel.TerminateChildrenAsync(cancellationToken);

    /// <summary>Lets go of the kernel and leaves it running.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await ((Task)_pump).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (_client is not null)
        {
            await _client.DisposeAsync();
        }

        _source.Dispose();
        _stop.Dispose();
    }

    internal static GatewayException Failed(KernelExit exit) =>
        new(ErrorCode.KernelFailed, exit.StderrTail is { Length: > 0 } tail ? $"{exit.Message} Its last words: {tail}" : exit.Message);

    private async Task<KernelExit?> PumpAsync()
    {
        using var wake = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
        _ = _kernel.Exited.ContinueWith(_ => Cancel(wake), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        var batch = new List<KernelOutput>(BatchEntries);
        Task? waiting = null;
        while (!_stop.IsCancellationRequested)
        {
            // Asked before looking: when it has ended and a look after that finds nothing, nothing more can come.
            var ended = _kernel.Exited.IsCompleted;
            var asked = _questions.Take();
            var lookedToTheEnd = Fill(batch);
            if (batch.Count > 0)
            {
                try
                {
                    await _onOutputs(batch, _stop.Token);
                }
                catch (OperationCanceledException) when (_stop.IsCancellationRequested)
                {
                    return null; // Not acknowledged: whoever comes next reads it again.
                }

                Fault.At("log.before_acknowledge");
                _source.Acknowledge();
                continue;
            }

            if (lookedToTheEnd)
            {
                _questions.Answer();
            }

            if (ended && lookedToTheEnd)
            {
                var exit = await _kernel.Exited;
                _client?.Fail(new KernelGoneException(exit.Message));
                return exit;
            }

            if (lookedToTheEnd)
            {
                _source.Acknowledge(); // A kernel whose disk is full waits for the room.
            }

            try
            {
                waiting ??= _source.WaitAsync(wake.Token).AsTask();
                if (await Task.WhenAny(waiting, asked) == waiting)
                {
                    var over = waiting;
                    waiting = null;
                    await over;
                }
            }
            catch (OperationCanceledException)
            {
                // Ended or let go: the loop finds out which.
            }
        }

        return null;
    }

    /// <returns>False when the gateway itself is in trouble (for example, has no descriptors left), so that there may be more to read.</returns>
    private bool Fill(List<KernelOutput> batch)
    {
        batch.Clear();
        long bytes = 0;
        try
        {
            while (batch.Count < BatchEntries && bytes < BatchBytes && _source.TryRead(out var output))
            {
                batch.Add(output);
                foreach (var frame in output.Draft.Frames)
                {
                    bytes += frame.Length;
                }
            }
        }
        catch (IOException)
        {
            return false; // Nothing is lost: it is read when the trouble is over.
        }

        return true;
    }

    private static void Cancel(CancellationTokenSource source)
    {
        try
        {
            source.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // The pump has already ended.
        }
    }
}
