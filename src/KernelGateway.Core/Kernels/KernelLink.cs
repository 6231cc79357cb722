using KernelGateway.Core.Errors;
using KernelGateway.Core.Faults;
using KernelGateway.Core.Journals;
using KernelGateway.Core.KernelLogs;
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
    private readonly Lock _askGate = new();
    private KernelClient? _client;
    private Task<KernelExit?> _pump = Task.FromResult<KernelExit?>(null);

    // Who wants to know when everything has been handed over; changed under the gate.
    private TaskCompletionSource _question = NewSignal();
    private TaskCompletionSource _asked = NewSignal();

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
        KernelLink link;
        KernelClientOptions options;
        if (kernel.Log is { } log)
        {
            if (resume is not null && !Directory.Exists(log.Directory))
            {
                throw new GatewayException(ErrorCode.KernelFailed, "The folder of the kernel's log was removed, so that nothing it says can be read.");
            }

            var position = resume is { } r ? new KernelLogPosition(r.Segment, r.Offset, r.Sequence) : KernelLogPosition.Start;
            var source = new LogOutputSource(kernel.Id, KernelLogReader.Open(log, position, new KernelLogOptions()), time);
            link = new KernelLink(kernel, source, onOutputs);
            options = new KernelClientOptions { Identity = identity, Session = identity, OnIopubActivity = source.Wake };
        }
        else
        {
            var source = new IopubOutputSource();
            link = new KernelLink(kernel, source, onOutputs);
            options = new KernelClientOptions
            {
                Identity = identity,
                Session = identity,
                OnIopub = message => source.AddAsync(JournalChannel.Iopub, message),
                OnInputRequest = message => source.AddAsync(JournalChannel.Stdin, message),

                // Runs are sent without waiting for a reply, so that one that comes after a restart of the gateway is taken as well.
                OnUnclaimedReply = message => message.MsgType == MessageTypes.ExecuteReply ? source.AddAsync(JournalChannel.Shell, message) : ValueTask.CompletedTask,
                OnIopubDropped = fault => _ = source.AddGapAsync($"A message of the kernel could not be kept: {fault}.").AsTask(),
                OnIopubReconnected = () => _ = source.AddGapAsync("The connection to the kernel's output was lost for a while.").AsTask(),
            };
            if (isFoundAgain)
            {
                await source.AddGapAsync("The gateway was away while this kernel, which keeps no log, went on.");
            }
        }

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
    public Task CaughtUpAsync(CancellationToken cancellationToken)
    {
        Task answered;
        lock (_askGate)
        {
            answered = _question.Task;
            _asked.TrySetResult();
        }

        return Task.WhenAny(answered, _pump).WaitAsync(cancellationToken);
    }

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
        var questions = new List<TaskCompletionSource>();
        Task? waiting = null;
        while (!_stop.IsCancellationRequested)
        {
            // Asked before looking: when it has ended and a look after that finds nothing, nothing more can come.
            var ended = _kernel.Exited.IsCompleted;
            var asked = TakeQuestion(questions);
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
                questions.ForEach(q => q.TrySetResult());
                questions.Clear();
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

    /// <summary>Takes what was asked so far, before looking; returns what completes when something more is asked.</summary>
    private Task TakeQuestion(List<TaskCompletionSource> questions)
    {
        lock (_askGate)
        {
            if (_asked.Task.IsCompleted)
            {
                questions.Add(_question);
                _question = NewSignal();
                _asked = NewSignal();
            }

            return _asked.Task;
        }
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

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

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
