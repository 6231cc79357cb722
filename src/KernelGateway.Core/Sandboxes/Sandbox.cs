using KernelGateway.Contracts.Executions;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Commands;
using KernelGateway.Core.Egress;
using KernelGateway.Core.Environments;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Executions;
using KernelGateway.Core.Journals;
using KernelGateway.Core.Kernels;
using KernelGateway.Core.Provisioning;
using KernelGateway.Core.Snapshots;
using Microsoft.Extensions.Logging;

namespace KernelGateway.Core.Sandboxes;

/// <summary>What a user owns: an id, limits, a journal and live kernels. Knows its state; the registry knows which sandboxes there are.</summary>
public sealed partial class Sandbox : IAsyncDisposable
{
    /// <summary>The context that every sandbox has.</summary>
    public const string DefaultContext = "default";

    private readonly EnvironmentDefinition _environment;
    private readonly ISandboxStore _store;
    private readonly NetworkGuard _network;
    private readonly SandboxOptions _options;
    private readonly SnapshotOptions _snapshotOptions;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly ExecutionTable _executions;
    private readonly CommandTable _commandTable;
    private readonly SandboxCommands _commands;
    private readonly SemaphoreSlim _life = new(1, 1);

    // Cancelled when it is to end, so that nothing that is under way holds that up.
    private readonly CancellationTokenSource _ending = new();
    private readonly TaskCompletionSource _started = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Changed under the gate only.
    private readonly Lock _gate = new();
    private SandboxRecord _record;
    private IKernelHost? _host;
    private readonly SandboxContexts _contexts = new();
    private readonly SandboxClock _clock;

    internal Sandbox(
        SandboxRecord record,
        EnvironmentDefinition environment,
        Journal journal,
        ExecutionTable executions,
        CommandTable commands,
        ISandboxStore store,
        SandboxOptions options,
        TimeProvider time,
        ILogger logger,
        NetworkGuard network,
        SnapshotOptions snapshotOptions,
        DateTimeOffset? lastActivityAt = null)
    {
        _network = network;
        _snapshotOptions = snapshotOptions;
        _record = record;
        _environment = environment;
        Journal = journal;
        _executions = executions;
        _commandTable = commands;
        _commands = new SandboxCommands(record.Id, commands, Journal, options, time, logger);
        _store = store;
        _options = options;
        _time = time;
        _logger = logger;
        _clock = new SandboxClock(_gate, record, lastActivityAt, time);
    }

    /// <summary>32 hexadecimal digits.</summary>
    public string Id => _record.Id;

    /// <summary>Whose it is.</summary>
    public string Owner => _record.Owner;

    /// <summary>Everything it said.</summary>
    public Journal Journal { get; }

    /// <summary>Its record as it is now.</summary>
    public SandboxRecord Record
    {
        get
        {
            lock (_gate)
            {
                return _record;
            }
        }
    }

    /// <summary>As its owner sees it.</summary>
    public SandboxInfo Info
    {
        get
        {
            lock (_gate)
            {
                return new SandboxInfo
                {
                    Id = _record.Id,
                    Name = _record.Name,
                    Variant = _record.Variant,
                    Environment = _record.Environment,
                    State = _record.State,
                    StateReason = _record.StateReason,
                    StateReasonCode = _record.StateReasonCode,
                    CreatedAt = _record.CreatedAt,
                    LastActivityAt = _clock.LastUseAt,
                    ExpiresAt = _record.LifetimeSeconds > 0 ? _record.CreatedAt.AddSeconds(_record.LifetimeSeconds) : null,
                    TimeoutSeconds = _record.TimeoutSeconds,
                    IdleTimeoutSeconds = _record.IdleTimeoutSeconds,
                    Limits = _record.Limits.ToContract(),
                    Disk = _record.HasEnded || _host?.MeasureDisk() is not { } disk ? null : new SandboxDiskUse(disk.UsedBytes, disk.TotalBytes, disk.UsedInodes, disk.TotalInodes),
                    RunsOn = _record.HasEnded ? null : _host?.RunsOn,
                    NetworkPolicy = _record.Network.Policy,
                    AllowedHosts = _record.Network.AllowedHosts,
                    DeniedHosts = _record.Network.DeniedHosts,
                    Tags = _record.Tags,
                    SnapshotId = _record.SnapshotId,
                    AutoResume = _record.AutoResume,
                    Contexts = Contexts,
                    LastSequence = Journal.LastSequence,
                    Warnings = _record.Warnings,
                };
            }
        }
    }

    /// <summary>Completes when it has been started or its start has failed.</summary>
    internal Task Started => _started.Task;

    private void CheckCode(RunCodeRequest request)
    {
        if (string.IsNullOrWhiteSpace(request.Code))
        {
            throw new GatewayException(ErrorCode.InvalidArgument, "'code' must not be empty.", "code");
        }

        if (System.Text.Encoding.UTF8.GetByteCount(request.Code) is var bytes && bytes > _options.MaxCodeBytes)
        {
            throw new GatewayException(ErrorCode.InvalidArgument, $"'code' may have at most {_options.MaxCodeBytes} bytes, but has {bytes}. Put data into a file.", "code");
        }
    }

    private Execution RunCode(RunCodeRequest request)
    {
        var timeout = CreateSandboxValidator.Seconds(request.TimeoutSeconds, _record.TimeoutSeconds, "timeoutSeconds", _options);
        var key = CreateSandboxValidator.IdempotencyKey(request.IdempotencyKey);
        var variables = request.Env is null ? null : CreateSandboxValidator.Variables(request.Env);
        if (key is null)
        {
            _clock.Use();
            return Session(request.ContextId).Submit(new Notes.QueuedNote(request.Code, request.Silent, request.AllowStdin, timeout, null, variables));
        }

        lock (_executions)
        {
            if (_executions.FindByKey(key) is { } known)
            {
                return known.Request.Code == request.Code
                    ? known
                    : throw new GatewayException(ErrorCode.Conflict, "'idempotencyKey' was used before for other code. Use a new key for each run.", "idempotencyKey");
            }

            _clock.Use();
            return Session(request.ContextId).Submit(new Notes.QueuedNote(request.Code, request.Silent, request.AllowStdin, timeout, key, variables));
        }
    }

    /// <summary>Finds an execution.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.ExecutionNotFound"/>.</exception>
    public Execution GetExecution(string executionId) => _executions.Find(executionId)
        ?? throw new GatewayException(ErrorCode.ExecutionNotFound, $"This sandbox has no execution of that id, or it is older than the last {_options.KeepExecutions}; its events may still be there.", "executionId");

    /// <summary>The executions that are remembered, newest first.</summary>
    public IReadOnlyList<Execution> ListExecutions(int limit) => _executions.List(limit);

    /// <summary>Interrupts a run, or takes it out of the queue. Does nothing when it has ended.</summary>
    /// <param name="executionId">The run.</param>
    /// <param name="whom">Who wants it, fit to show.</param>
    /// <param name="escalate">Whether more and more force follows, until it has ended, when the interrupt does not help.</param>
    /// <param name="cancellationToken">Stops the attempt.</param>
    public async Task InterruptAsync(string executionId, string whom, bool escalate, CancellationToken cancellationToken)
    {
        var execution = GetExecution(executionId);
        _clock.Use();
        if (!execution.HasEnded)
        {
            await AwakeAsync(cancellationToken);
            await Session(execution.Info.ContextId).InterruptAsync(execution, StopCause.InterruptedBy(whom), escalate, cancellationToken);
        }
    }

    /// <summary>Answers the <c>input()</c> that a run waits in.</summary>
    public async Task ReplyInputAsync(string executionId, string value, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(value);
        var execution = GetExecution(executionId);
        _clock.Use();
        await AwakeAsync(cancellationToken);
        await Session(execution.Info.ContextId).ReplyInputAsync(execution, value, cancellationToken);
    }

    /// <summary>Ends the kernel of a context and starts a new one in the same place. Files stay, variables go.</summary>
    public async Task RestartAsync(string? contextId, CancellationToken cancellationToken)
    {
        await AwakeAsync(cancellationToken);
        _ = Session(contextId);
        _clock.Use();
        await LiveAsync(
            async either =>
            {
                var session = Session(contextId);
                await session.RestartAsync(NextKernelId(), KernelVariables(session.Record), either);
                RememberKernel(session);
                return true;
            },
            cancellationToken);
    }

    /// <summary>Says that somebody reads or holds the sandbox; it is not idle until the lease is disposed.</summary>
    public IDisposable Lease() => _clock.Lease();

    /// <summary>Gathers what one ended execution printed and returned.</summary>
    public Task<ExecutionResult> GetResultAsync(Execution execution, CancellationToken cancellationToken) =>
        ExecutionResults.GatherAsync(Journal, execution, _options.MaxResultBytes, cancellationToken);

    private KernelSession Session(string? contextId)
    {
        lock (_gate)
        {
            return _record.State == SandboxState.Running ? _contexts.Find(contextId) : throw NotRunning("nothing can run in it");
        }
    }

    private GatewayException NotRunning(string consequence) => new(
        ErrorCode.Conflict,
        _record.State == SandboxState.Paused
            ? $"The sandbox is paused, so {consequence}. Resume it first (POST /api/v1/sandboxes/{Id}/resume), or pause it with autoResume to have every use resume it." :
        $"The sandbox is {_record.State.ToString().ToLowerInvariant()}{(_record.StateReason is null ? "" : $" ({_record.StateReason})")}, so {consequence}.");
}
