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
    private readonly string _kernelName;
    private readonly EnvironmentKernel _kernel;
    private readonly IKernelHost _host;
    private readonly Journal _journal;
    private readonly ExecutionTable _executions;
    private readonly SandboxOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;

    // All below is changed under the gate only.
    private readonly Lock _gate = new();
    private readonly Queue<Execution> _queue = new();
    private KernelLink? _link;
    private Execution? _current;
    private ITimer? _timeout;
    private KernelState _state = KernelState.Starting;
    private string? _reason;

    public KernelSession(
        string sandboxId,
        string contextId,
        string kernelName,
        EnvironmentKernel kernel,
        IKernelHost host,
        Journal journal,
        ExecutionTable executions,
        SandboxOptions options,
        TimeProvider time,
        ILogger logger)
    {
        _sandboxId = sandboxId;
        Id = contextId;
        _kernelName = kernelName;
        _kernel = kernel;
        _host = host;
        _journal = journal;
        _executions = executions;
        _options = options;
        _time = time;
        _logger = logger;
    }

    /// <summary>The context's id.</summary>
    public string Id { get; }

    /// <summary>The kernel that lives now, or lived last.</summary>
    public string? KernelId
    {
        get
        {
            lock (_gate)
            {
                return _link?.KernelId;
            }
        }
    }

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
                var state = _state == KernelState.Idle && _current is not null ? KernelState.Busy : _state;
                return new ContextInfo(Id, _kernelName, _kernel.Language, state, _reason);
            }
        }
    }

    /// <summary>Starts a new kernel and waits until it is ready.</summary>
    public async Task StartAsync(string kernelId, IReadOnlyDictionary<string, string> variables, CancellationToken cancellationToken)
    {
        Enter(KernelState.Starting, null);
        var hosted = await _host.LaunchKernelAsync(new KernelLaunch(kernelId, _kernelName, null, variables), cancellationToken);
        try
        {
            await ConnectAsync(hosted, null, cancellationToken);
        }
        catch (Exception e)
        {
            await GiveUpAsync(hosted, e);
            throw;
        }

        Enter(KernelState.Idle, null);
    }

    /// <summary>Takes up a kernel that lived on while the gateway was away, and settles what became of its executions.</summary>
    /// <param name="kernelId">The kernel.</param>
    /// <param name="resume">How far its log is in the journal.</param>
    /// <param name="cancellationToken">Stops the attempt.</param>
    public async Task ReattachAsync(string kernelId, SourcePosition? resume, CancellationToken cancellationToken)
    {
        var hosted = _host.Kernels.FirstOrDefault(k => k.Id == kernelId)
            ?? throw new GatewayException(ErrorCode.KernelFailed, $"The kernel {kernelId} is not there any more.");
        var open = _executions.Open(Id);
        var head = open.Count > 0 ? open[0] : null;
        lock (_gate)
        {
            _state = KernelState.Idle;
            _current = head;
            foreach (var waiting in open.Skip(1))
            {
                _queue.Enqueue(waiting);
            }
        }

        try
        {
            var link = await OpenLinkAsync(hosted, resume, cancellationToken);
            _ = SettleAsync(link, head);
        }
        catch (KernelException e)
        {
            // The place and its files are there; only this kernel is of no use any more.
            await GiveUpAsync(hosted, e);
            CancelAll($"The kernel could not be reached after the gateway was restarted: {e.Message}");
        }
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
            await old.SignalAsync(KernelSignal.Kill, cancellationToken);
            await old.Ended.WaitAsync(_options.KillGrace, _time, cancellationToken);
        }

        await EndLinkAsync();
        await StartAsync(kernelId, variables, cancellationToken);
    }

    /// <summary>Lets go of the kernel and leaves it running.</summary>
    public ValueTask DisposeAsync() => new(EndLinkAsync());

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

    private async Task<KernelLink> OpenLinkAsync(IHostedKernel hosted, SourcePosition? resume, CancellationToken cancellationToken)
    {
        var link = await KernelLink.OpenAsync(hosted, $"{_sandboxId}-{hosted.Id}", resume, RecordAsync, _time, cancellationToken);
        lock (_gate)
        {
            _link = link;
        }

        _ = WatchAsync(link);
        return link;
    }

    private async Task ConnectAsync(IHostedKernel hosted, SourcePosition? resume, CancellationToken cancellationToken)
    {
        var link = await OpenLinkAsync(hosted, resume, cancellationToken);
        await link.WaitForReadyAsync(_options.StartTimeout, cancellationToken);
    }

    private async Task GiveUpAsync(IHostedKernel hosted, Exception why)
    {
        Enter(KernelState.Dead, why.Message);
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

    private void Enter(KernelState state, string? reason)
    {
        lock (_gate)
        {
            _state = state;
            _reason = reason;
        }

        _journal.Append(StateEntry(state, reason));
    }

    private JournalEntry StateEntry(KernelState state, string? reason) => new()
    {
        Kind = JournalEntryKind.KernelState,
        ContextId = Id,
        Frames = Notes.Frame(new Notes.StateNote(state.ToString(), reason)),
    };

    [LoggerMessage(LogLevel.Warning, "Sandbox {SandboxId}: the journal cannot be written, its kernel waits: {Reason}")]
    private static partial void LogStorageFull(ILogger logger, string sandboxId, string reason);

    [LoggerMessage(LogLevel.Error, "Sandbox {SandboxId}: reading its kernel failed")]
    private static partial void LogReadingFailed(ILogger logger, Exception exception, string sandboxId);

    [LoggerMessage(LogLevel.Warning, "Sandbox {SandboxId}: its kernel could not be interrupted: {Reason}")]
    private static partial void LogNotInterrupted(ILogger logger, string sandboxId, string reason);

    [LoggerMessage(LogLevel.Warning, "Sandbox {SandboxId}: execution {ExecutionId} could not be sent: {Reason}")]
    private static partial void LogNotSent(ILogger logger, string sandboxId, string executionId, string reason);
}
