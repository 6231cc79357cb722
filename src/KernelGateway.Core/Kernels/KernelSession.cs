using KernelGateway.Contracts.Executions;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Environments;
using KernelGateway.Core.Executions;
using KernelGateway.Core.Journals;
using KernelGateway.Core.Provisioning;
using KernelGateway.Core.Sandboxes;
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
    private readonly RunTimer _timer;
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
        _timer = new RunTimer(time, EnforceTimeout);
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
