using KernelGateway.Contracts;
using KernelGateway.Contracts.Executions;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Environments;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Executions;
using KernelGateway.Core.Journals;
using KernelGateway.Core.Provisioning;
using KernelGateway.Core.Sandboxes;
using KernelGateway.Jupyter;
using Microsoft.Extensions.Logging;

namespace KernelGateway.Core.Kernels;

/// <summary>One live kernel of a sandbox with a namespace of its own; runs executions in order, one at a time.</summary>
internal sealed partial class KernelSession : IAsyncDisposable
{
    private readonly string _sandboxId;
    private readonly ContextRecord _context;
    private readonly EnvironmentKernel _kernel;
    private readonly IKernelHost _host;
    private readonly Journal _journal;
    private readonly ExecutionTable _executions;
    private readonly SandboxOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly IMeasurable? _measurable;
    private readonly Func<string, string, Task> _endSandbox;
    private readonly CancellationTokenSource _closing = new();

    // All below is changed under the gate only.
    private readonly Lock _gate = new();
    private readonly Queue<Execution> _queue = new();
    private KernelLink? _link;
    private Execution? _current;
    private ITimer? _timeout;
    private long _timeoutStarted;
    private TimeSpan _timeLimit;
    private KernelState _state = KernelState.Starting;
    private string? _reason;
    private string? _reasonCode;

    // The link whose log was found damaged: ends of runs may be missing from then on.
    private KernelLink? _spoiled;

    // Something was found missing before its link was there.
    private bool _isGapEarly;

    // Why the kernel does not answer; null when it does.
    private string? _silence;

    public KernelSession(
        string sandboxId,
        ContextRecord context,
        EnvironmentKernel kernel,
        IKernelHost host,
        Journal journal,
        ExecutionTable executions,
        SandboxOptions options,
        TimeProvider time,
        ILogger logger,
        Func<string, string, Task> endSandbox)
    {
        _sandboxId = sandboxId;
        _context = context;
        KernelId = context.KernelId;
        _kernel = kernel;
        _host = host;
        _journal = journal;
        _executions = executions;
        _options = options;
        _time = time;
        _logger = logger;
        _endSandbox = endSandbox;
        _measurable = host.PowerOf<IMeasurable>();
    }

    /// <summary>The context's id.</summary>
    public string Id => _context.Id;

    /// <summary>The kernel that lives now, or lived last.</summary>
    public string KernelId { get; private set; }

    /// <summary>What is to be remembered of it.</summary>
    public ContextRecord Record => _context with { KernelId = KernelId };

    public bool IsBusy
    {
        get
        {
            lock (_gate)
            {
                return _current is not null;
            }
        }
    }

    /// <summary>The execution that runs now.</summary>
    public string? CurrentExecutionId
    {
        get
        {
            lock (_gate)
            {
                return _current?.Id;
            }
        }
    }

    public ContextInfo Info
    {
        get
        {
            lock (_gate)
            {
                return new ContextInfo(Id, _context.KernelName, _kernel.Language, Shown, _state == KernelState.Idle ? _silence : _reason, _reasonCode)
                {
                    Name = _context.Name,
                    Cwd = _context.WorkingDirectory,
                };
            }
        }
    }

    /// <summary>Under the gate: the state as it is shown.</summary>
    private KernelState Shown => _state != KernelState.Idle ? _state
        : _silence is not null ? KernelState.Unresponsive
        : _current is not null ? KernelState.Busy
        : KernelState.Idle;

    /// <summary>Starts a new kernel and waits until it is ready.</summary>
    public async Task StartAsync(string kernelId, IReadOnlyDictionary<string, string> variables, CancellationToken cancellationToken)
    {
        Enter(KernelState.Starting, null);
        var hosted = await _host.LaunchKernelAsync(new KernelLaunch(kernelId, _context.KernelName, _context.WorkingDirectory, variables), cancellationToken);
        KernelId = kernelId;
        try
        {
            await ConnectAsync(hosted, cancellationToken);
        }
        catch (Exception e)
        {
            await GiveUpAsync(hosted, e);
            throw;
        }

        Enter(KernelState.Idle, null);
    }

    /// <summary>After a restart of the gateway: takes over the runs of its context that have not ended.</summary>
    public void TakeOverRuns()
    {
        lock (_gate)
        {
            foreach (var open in _executions.Open(Id))
            {
                _queue.Enqueue(open);
            }

            if (_queue.TryDequeue(out var head))
            {
                _current = head;
                head.CountersBefore = _measurable?.ReadCounters();
                head.Output.ComeBack(_time.GetUtcNow(), head.Info.CreatedAt);
            }
        }
    }

    /// <summary>Takes up a kernel that lived on while the gateway was away, and settles what became of the runs that were taken over.</summary>
    /// <param name="resume">How far its log is in the journal.</param>
    /// <param name="cancellationToken">Stops the attempt.</param>
    public async Task ReattachAsync(SourcePosition? resume, CancellationToken cancellationToken)
    {
        var hosted = _host.Kernels.FirstOrDefault(k => k.Id == KernelId)
            ?? throw new GatewayException(ErrorCode.KernelFailed, $"The kernel {KernelId} is not there any more.");
        Execution? head;
        lock (_gate)
        {
            _state = KernelState.Idle;
            _paused = false;
            head = _current;
        }

        try
        {
            var link = await OpenLinkAsync(hosted, resume, isFoundAgain: true, cancellationToken);
            _ = SettleAsync(link, head);
        }
        catch (KernelException e)
        {
            // The place and its files are there; only this kernel is of no use any more.
            await GiveUpAsync(hosted, e);
            CancelAll(ReasonCodes.Lost, $"The kernel could not be reached after the gateway was restarted: {e.Message}");
        }
    }

    /// <summary>Its kernel was not found again: what ran or waited in it is lost.</summary>
    public void Lose(string reason)
    {
        CancelAll(ReasonCodes.Lost, reason, onPurpose: false);
        Enter(KernelState.Dead, reason, ReasonCodes.Lost);
    }

    /// <summary>Ends the kernel for good.</summary>
    public async Task RemoveAsync(string reason, CancellationToken cancellationToken)
    {
        KernelLink? link;
        lock (_gate)
        {
            link = _link;
        }

        if (link is not null)
        {
            await KillAsync(link, cancellationToken);
        }

        await DisposeAsync();
        Enter(KernelState.Dead, reason, ReasonCodes.Removed);
    }

    /// <summary>Ends the kernel and starts another one. What ran or waited is cancelled.</summary>
    public async Task RestartAsync(string kernelId, IReadOnlyDictionary<string, string> variables, CancellationToken cancellationToken)
    {
        KernelLink? old;
        lock (_gate)
        {
            if (_state is KernelState.Restarting or KernelState.Starting)
            {
                throw new GatewayException(ErrorCode.Conflict, "The kernel is being started already. Wait until its context is idle.");
            }

            old = _state == KernelState.Dead ? null : _link;
            _state = KernelState.Restarting;
        }

        _journal.Append(StateEntry(KernelState.Restarting, null));
        if (old is not null)
        {
            await KillAsync(old, cancellationToken);
        }

        await EndLinkAsync();
        await StartAsync(kernelId, variables, cancellationToken);
    }

    private async Task KillAsync(KernelLink link, CancellationToken cancellationToken)
    {
        try
        {
            await link.SignalAsync(KernelSignal.Kill, cancellationToken);
        }
        catch (GatewayException) when (link.KernelEnded.IsCompleted)
        {
            // By itself, just now.
        }

        try
        {
            await link.Ended.WaitAsync(_options.KillGrace, _time, cancellationToken);
        }
        catch (TimeoutException)
        {
            const string Stays = "The kernel could not be killed, so the sandbox is being ended.";
            _ = _endSandbox(ReasonCodes.Killed, Stays);
            throw new GatewayException(ErrorCode.KernelFailed, Stays);
        }
    }

    /// <summary>Completes when the kernel that lives now has ended and all it had said is in the journal.</summary>
    public Task WaitForEndAsync(CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            return _link?.Ended.WaitAsync(cancellationToken) ?? Task.CompletedTask;
        }
    }

    /// <summary>Lets go of the kernel and leaves it running.</summary>
    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        await EndLinkAsync();
    }

    private async Task EndLinkAsync()
    {
        KernelLink? link;
        lock (_gate)
        {
            link = _link;
            _link = null;
            _timeout?.Dispose();
            _timeout = null;
        }

        if (link is not null)
        {
            await link.DisposeAsync();
        }
    }

    private async Task<KernelLink> OpenLinkAsync(IHostedKernel hosted, SourcePosition? resume, bool isFoundAgain, CancellationToken cancellationToken)
    {
        var link = await KernelLink.OpenAsync(hosted, $"{_sandboxId}-{hosted.Id}", resume, isFoundAgain, RecordAsync, _time, cancellationToken);
        lock (_gate)
        {
            _link = link;
            _silence = null;
            if (_isGapEarly)
            {
                _isGapEarly = false;
                AskForLostEnd();
            }
        }

        _ = WatchAsync(link);
        _ = ListenToHeartAsync(link);
        return link;
    }

    private async Task ConnectAsync(IHostedKernel hosted, CancellationToken cancellationToken)
    {
        var link = await OpenLinkAsync(hosted, null, isFoundAgain: false, cancellationToken);
        await link.WaitForReadyAsync(_options.StartTimeout, cancellationToken);
    }

    private async Task GiveUpAsync(IHostedKernel hosted, Exception why)
    {
        Enter(KernelState.Dead, why.Message, ReasonCodes.Failed);
        await EndLinkAsync();
        try
        {
            await hosted.SignalAsync(KernelSignal.Kill, CancellationToken.None);
        }
        catch (GatewayException)
        {
            // It has ended already.
        }
    }

    private async Task WatchAsync(KernelLink link)
    {
        KernelExit? exit;
        try
        {
            exit = await link.Ended;
        }
        catch (Exception e)
        {
            // A fault of ours in reading the kernel: nobody must wait for ever for what it says.
            LogReadingFailed(_logger, e, _sandboxId);
            exit = new KernelExit("lost", "Its output can no longer be read; the gateway's log says why.", null, null, null);
        }

        if (exit is not null)
        {
            EndAll(exit);
        }
    }

    private void Enter(KernelState state, string? reason, string? code = null)
    {
        lock (_gate)
        {
            _state = state;
            _reason = reason;
            _reasonCode = code;
        }

        _journal.Append(StateEntry(state, reason, code));
    }

    private JournalEntry StateEntry(KernelState state, string? reason, string? code = null) => new()
    {
        Kind = JournalEntryKind.KernelState,
        ContextId = Id,
        Frames = Notes.Frame(new Notes.StateNote(state.ToString(), reason, code)),
    };

    [LoggerMessage(LogLevel.Warning, "Sandbox {SandboxId}: the journal cannot be written, its kernel waits: {Reason}")]
    private static partial void LogStorageFull(ILogger logger, string sandboxId, string reason);

    [LoggerMessage(LogLevel.Error, "Sandbox {SandboxId}: reading its kernel failed")]
    private static partial void LogReadingFailed(ILogger logger, Exception exception, string sandboxId);

    [LoggerMessage(LogLevel.Warning, "Sandbox {SandboxId}: its kernel could not be interrupted: {Reason}")]
    private static partial void LogNotInterrupted(ILogger logger, string sandboxId, string reason);

    [LoggerMessage(LogLevel.Warning, "Sandbox {SandboxId}: the step {Step} to end a run failed: {Reason}")]
    private static partial void LogStepFailed(ILogger logger, string sandboxId, EscalationStep step, string reason);

    [LoggerMessage(LogLevel.Warning, "Sandbox {SandboxId}: execution {ExecutionId} could not be sent: {Reason}")]
    private static partial void LogNotSent(ILogger logger, string sandboxId, string executionId, string reason);
}
