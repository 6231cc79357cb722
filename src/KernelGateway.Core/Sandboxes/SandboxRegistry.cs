using System.Collections.Concurrent;
using KernelGateway.Contracts;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Commands;
using KernelGateway.Core.Egress;
using KernelGateway.Core.Environments;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Executions;
using KernelGateway.Core.Journals;
using KernelGateway.Core.Policies;
using KernelGateway.Core.Provisioning;
using KernelGateway.Core.Snapshots;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace KernelGateway.Core.Sandboxes;

/// <summary>All sandboxes of this gateway: makes them, finds them, ends those whose time is over, and takes up the old ones at start.</summary>
public sealed partial class SandboxRegistry : BackgroundService
{
    private readonly ConcurrentDictionary<string, Sandbox> _sandboxes = new(StringComparer.Ordinal);
    private readonly Dictionary<string, IKernelProvisioner> _provisioners;
    private readonly EnvironmentCatalog _environments;
    private readonly ISandboxStore _store;
    private readonly NetworkGuard _network;
    private readonly SnapshotCatalog _snapshots;
    private readonly SandboxOptions _options;
    private readonly JournalOptions _journalOptions;
    private readonly string _journals;
    private readonly TimeProvider _time;
    private readonly ILogger<SandboxRegistry> _logger;
    private readonly Lock _creation = new();
    private volatile bool _stopping;

    /// <summary>Makes the registry; nothing is taken up before <see cref="BackgroundService.StartAsync"/>.</summary>
    public SandboxRegistry(
        IEnumerable<IKernelProvisioner> provisioners,
        EnvironmentCatalog environments,
        ISandboxStore store,
        NetworkGuard network,
        SnapshotCatalog snapshots,
        IOptions<SandboxOptions> options,
        IOptions<JournalOptions> journalOptions,
        IOptions<DataOptions> data,
        TimeProvider time,
        ILogger<SandboxRegistry> logger)
    {
        _provisioners = provisioners.ToDictionary(p => p.Name, StringComparer.Ordinal);
        _environments = environments;
        _store = store;
        _network = network;
        _snapshots = snapshots;
        _options = options.Value;
        _journalOptions = journalOptions.Value;
        _journals = Path.Combine(data.Value.DataDirectory, "journals");
        _time = time;
        _logger = logger;
    }

    /// <summary>The variants that this gateway has, by canonical name.</summary>
    public IReadOnlyDictionary<string, IKernelProvisioner> Provisioners => _provisioners;

    /// <summary>Makes a sandbox and waits until its kernel is ready.</summary>
    /// <param name="request">What it shall be like.</param>
    /// <param name="owner">Whose it is.</param>
    /// <param name="idempotencyKey">The same key of the same owner gives the same sandbox.</param>
    /// <param name="cancellationToken">Stops the waiting; the sandbox is removed then, unless a key can find it again.</param>
    public Task<Sandbox> CreateAsync(CreateSandboxRequest request, string owner, string? idempotencyKey, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        return SnapshotRecipe.Named(request, owner, _snapshots) is { } snapshot
            ? CreateFromAsync(snapshot, request, owner, idempotencyKey, cancellationToken)
            : CreateAsync(request, owner, idempotencyKey, null, cancellationToken);
    }

    private async Task<Sandbox> CreateAsync(CreateSandboxRequest request, string owner, string? idempotencyKey, OpenedSnapshot? from, CancellationToken cancellationToken)
    {
        var record = CreateSandboxValidator.ToRecord(request, owner, CreateSandboxValidator.IdempotencyKey(idempotencyKey), _options, _time.GetUtcNow()) with { SnapshotId = from?.Snapshot.Info.Id };
        if (!_provisioners.TryGetValue(record.Variant, out var provisioner))
        {
            throw new GatewayException(ErrorCode.NotSupported, $"The variant '{record.Variant}' is not available in this gateway. Available: {string.Join(", ", _provisioners.Keys)}.", "variant");
        }

        var environment = _environments.Get(record.Environment, provisioner);

        if (request.Gpu is not null)
        {
            throw new GatewayException(
                ErrorCode.NotSupported,
                $"The variant '{record.Variant}' has no GPUs, nor has any other of this gateway. Leave 'gpu' out to run on processors.",
                "gpu");
        }

        if (environment.Mounts.Count > 0 && !provisioner.MountsHostFolders)
        {
            throw new GatewayException(
                ErrorCode.NotSupported,
                $"The environment '{environment.Name}' comes with folders of the host, which the variant '{record.Variant}' cannot confine. Variants that can: {string.Join(", ", _provisioners.Values.Where(p => p.MountsHostFolders).Select(p => p.Name).DefaultIfEmpty("none here"))}.",
                "variant");
        }

        ImageRequests.Check(record.Image, provisioner, _provisioners.Values);
        var server = ServerRequests.Of(request, provisioner, _provisioners.Values);
        record = record with { Network = NetworkRequests.ToSettings(request.NetworkPolicy, request.AllowedHosts, request.DeniedHosts, record.Variant, ConfiningVariants(), _network.Options) };
        var sandbox = Register(record, environment, out var known);
        if (known)
        {
            await sandbox.Started.WaitAsync(cancellationToken);
            return sandbox.Record.State == SandboxState.Failed
                ? throw new GatewayException(ErrorCode.KernelFailed, $"The sandbox of this idempotency key could not be started: {sandbox.Record.StateReason}")
                : sandbox;
        }

        try
        {
            await sandbox.StartAsync(provisioner, from, server, idempotencyKey is null ? cancellationToken : CancellationToken.None);
        }
        catch (OperationCanceledException)
        {
            Forget(sandbox); // Nobody knows its id.
            throw;
        }

        LogCreated(_logger, sandbox.Id, owner, record.Variant, record.Environment);
        return sandbox;
    }

    /// <summary>Finds a sandbox of an owner; somebody else's is as if it were not there.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.SandboxNotFound"/>.</exception>
    public Sandbox Get(string id, string owner) =>
        _sandboxes.TryGetValue(id, out var sandbox) && sandbox.Owner == owner
            ? sandbox
            : throw new GatewayException(ErrorCode.SandboxNotFound, "There is no sandbox of that id.", "id");

    /// <summary>Is raised with the id of a sandbox whose life has gone on, or that is gone. Handlers must return at once and not throw.</summary>
    internal event Action<string>? LifeGoesOn;

    /// <summary>Finds a sandbox, whoever its owner is.</summary>
    internal Sandbox? TryGet(string id) => _sandboxes.GetValueOrDefault(id);

    /// <summary>The sandboxes of an owner, newest first.</summary>
    public IEnumerable<Sandbox> List(string owner) =>
        _sandboxes.Values.Where(s => s.Owner == owner).OrderByDescending(s => s.Record.CreatedAt).ThenBy(s => s.Id, StringComparer.Ordinal);

    /// <summary>Ends a sandbox; its events can be read for a while yet.</summary>
    public Task TerminateAsync(Sandbox sandbox, TimeSpan? grace = null)
    {
        ArgumentNullException.ThrowIfNull(sandbox);
        return grace == TimeSpan.Zero
            ? sandbox.TerminateAsync(ReasonCodes.Killed, "It was killed by its owner.", TimeSpan.Zero)
            : sandbox.TerminateAsync(ReasonCodes.Terminated, "It was terminated by its owner.", grace ?? _options.TerminateGrace);
    }

    /// <summary>Changes limits, times, name and tags of a sandbox that runs; all that is named, or nothing.</summary>
    /// <exception cref="GatewayException">A value is wrong, the host refuses, or the variant cannot change limits; nothing has changed then.</exception>
    public Task UpdateAsync(Sandbox sandbox, UpdateSandboxRequest request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(sandbox);
        ArgumentNullException.ThrowIfNull(request);
        return sandbox.UpdateAsync(request, VariantsWith<ILimitable>(), cancellationToken);
    }

    /// <summary>Stops everything in a sandbox where it stands; its memory stays in use.</summary>
    /// <exception cref="GatewayException">It does not live, a run in it is being stopped, the host cannot, or the variant cannot pause; it goes on then.</exception>
    public Task PauseAsync(Sandbox sandbox, PauseRequest? request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(sandbox);
        return sandbox.PauseAsync(request?.AutoResume, VariantsWith<IPausable>(), cancellationToken);
    }

    /// <summary>What a sandbox uses.</summary>
    /// <exception cref="GatewayException">It does not run, or its variant does not count.</exception>
    public SandboxUsage ReadUsage(Sandbox sandbox)
    {
        ArgumentNullException.ThrowIfNull(sandbox);
        return sandbox.ReadUsage(VariantsWith<IMeasurable>());
    }

    /// <summary>Puts another network policy in force, at once.</summary>
    public Task SetNetworkAsync(Sandbox sandbox, SetNetworkRequest request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(sandbox);
        ArgumentNullException.ThrowIfNull(request);
        if (request.NetworkPolicy is null)
        {
            throw new GatewayException(ErrorCode.InvalidArgument, "'networkPolicy' must be none, allowlist or all.", "networkPolicy");
        }

        var settings = NetworkRequests.ToSettings(
            request.NetworkPolicy, request.AllowedHosts, request.DeniedHosts, sandbox.Record.Variant, ConfiningVariants(), _network.Options);
        return sandbox.SetNetworkAsync(settings, cancellationToken);
    }

    /// <summary>Takes up the sandboxes of an earlier run. Whoever is answered after this finds them all.</summary>
    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        await RestoreAsync(cancellationToken);
        await base.StartAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        _stopping = true;
        await base.StopAsync(cancellationToken);
        await Task.WhenAll(_sandboxes.Values.Select(s => s.DisposeAsync().AsTask()));
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await CheckVariantsAsync(stoppingToken);
        var flushEvery = TimeSpan.FromMilliseconds(_journalOptions.FlushIntervalMilliseconds);
        await Task.WhenAll(
            ForAllAsync(_options.ReapInterval, Reap, stoppingToken),
            flushEvery > TimeSpan.Zero ? ForAllAsync(flushEvery, sandbox => sandbox.Journal.Flush(), stoppingToken) : Task.CompletedTask);
    }

    private List<string> VariantsWith<TPower>() => [.. _provisioners.Values.Where(p => p.Powers.Contains(typeof(TPower))).Select(p => p.Name)];

    /// <summary>Looks at once whether each variant can be used, so that the log says it and the first caller need not wait for it.</summary>
    private async Task CheckVariantsAsync(CancellationToken cancellationToken)
    {
        foreach (var (name, provisioner) in _provisioners)
        {
            var readiness = await provisioner.CheckAsync(cancellationToken);
            if (readiness.Ready)
            {
                LogVariantReady(_logger, name, string.Join(", ", readiness.Details.Select(d => $"{d.Key} {d.Value}")));
            }
            else
            {
                // The others are mostly those that nobody has switched on.
                LogVariantNotReady(_logger, name == VariantName.Normalize(_options.DefaultVariant) ? LogLevel.Warning : LogLevel.Information, name, readiness.Reason ?? "");
            }
        }
    }

    /// <summary>Does something to every sandbox now and then. What goes wrong with one is told and must not keep the others from their turn.</summary>
    private async Task ForAllAsync(TimeSpan interval, Action<Sandbox> act, CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(interval, _time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            foreach (var sandbox in _sandboxes.Values)
            {
                try
                {
                    act(sandbox);
                }
                catch (Exception e) when (e is GatewayException or IOException or UnauthorizedAccessException or ObjectDisposedException)
                {
                    LogUpkeepFailed(_logger, sandbox.Id, e.Message);
                }
            }
        }
    }

    private List<string> ConfiningVariants() => [.. _provisioners.Values.Where(p => p.ConfinesNetwork).Select(p => p.Name)];

    private Sandbox Register(SandboxRecord record, EnvironmentDefinition environment, out bool known)
    {
        lock (_creation)
        {
            var same = record.IdempotencyKey is null
                ? null
                : _sandboxes.Values.FirstOrDefault(s => s.Owner == record.Owner && s.Record.IdempotencyKey == record.IdempotencyKey);
            known = same is not null;
            if (same is not null)
            {
                return same;
            }

            if (_stopping)
            {
                throw new GatewayException(ErrorCode.ShuttingDown, "The gateway is stopping. Try again in a moment.");
            }

            var live = _sandboxes.Values.Where(s => !s.Record.HasEnded).ToList();
            if (live.Count >= _options.MaxSandboxes)
            {
                throw new GatewayException(ErrorCode.LimitReached, $"{live.Count} sandboxes live already, the most this gateway allows. Terminate some, or raise Gateway:Sandboxes:MaxSandboxes.");
            }

            if (live.Count(s => s.Owner == record.Owner) is var own && own >= _options.MaxSandboxesPerOwner)
            {
                throw new GatewayException(ErrorCode.LimitReached, $"You have {own} sandboxes already, the most one owner may have. Terminate some.");
            }

            var sandbox = Open(record, environment, out _);
            _store.Save(record);
            return _sandboxes[record.Id] = sandbox;
        }
    }

    private Sandbox Open(SandboxRecord record, EnvironmentDefinition environment, out JournalReplay replay)
    {
        var executions = new ExecutionTable(record.Id, _options.KeepExecutions);
        var commands = new CommandTable(record.Id, _options.KeepExecutions);
        replay = new JournalReplay(executions, commands);
        var life = new LifeMarks();
        Action<JournalEntry> take = replay.Take;
        var store = FileJournalStore.Open(JournalFolder(record.Id), _journalOptions, take + (entry => life.Take(entry)));
        foreach (var damage in store.Damage)
        {
            LogDamage(_logger, record.Id, damage);
        }

        var journal = new Journal(store, _time) { Life = life, LifeGoesOn = () => LifeGoesOn?.Invoke(record.Id) };
        return new Sandbox(record, environment, journal, executions, commands, _store, _options, _time, _logger, _network, _snapshots.Options, replay.LastTime);
    }

    private async Task RestoreAsync(CancellationToken cancellationToken)
    {
        var records = _store.Load();
        // One whose place was never recorded cannot be found again: what was made of it goes.
        var living = records.Where(r => !r.HasEnded && r.Host is not null).Select(r => r.Id).ToHashSet(StringComparer.Ordinal);
        foreach (var provisioner in _provisioners.Values)
        {
            foreach (var orphan in await provisioner.RemoveOrphansAsync(living, cancellationToken))
            {
                LogOrphan(_logger, orphan, provisioner.Name);
            }
        }

        await Parallel.ForEachAsync(records, new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = cancellationToken }, RestoreOneAsync);
    }

    private async ValueTask RestoreOneAsync(SandboxRecord record, CancellationToken cancellationToken)
    {
        EnvironmentDefinition environment;
        try
        {
            environment = _environments.Get(record.Environment, _provisioners.GetValueOrDefault(record.Variant));
        }
        catch (GatewayException) when (record.HasEnded)
        {
            environment = new EnvironmentDefinition { Name = record.Environment, Title = "", Language = "", DefaultKernel = "", Kernels = new Dictionary<string, EnvironmentKernel>() };
        }

        var sandbox = Open(record, environment, out var replay);
        _sandboxes[record.Id] = sandbox;
        if (record.HasEnded)
        {
            sandbox.Journal.Complete();
        }
        else if (_provisioners.TryGetValue(record.Variant, out var provisioner))
        {
            await sandbox.ReattachAsync(provisioner, replay, cancellationToken);
        }
        else
        {
            await sandbox.TerminateAsync(ReasonCodes.Lost, $"Its variant '{record.Variant}' is not available any more.", TimeSpan.Zero);
        }
    }

    private void Reap(Sandbox sandbox)
    {
        if (_journalOptions.MaxAgeHours > 0)
        {
            sandbox.Journal.RemoveOlderThan(_time.GetUtcNow().AddHours(-_journalOptions.MaxAgeHours));
        }

        if (sandbox.EndDue() is { } due)
        {
            _ = sandbox.TerminateAsync(due.Code, due.Reason, _options.TerminateGrace);
        }
        else if (sandbox.EndedFor is { } endedFor && endedFor >= _options.KeepEnded)
        {
            Forget(sandbox);
        }
    }

    private void Forget(Sandbox sandbox)
    {
        _sandboxes.TryRemove(sandbox.Id, out _);
        _store.Delete(sandbox.Id);
        LifeGoesOn?.Invoke(sandbox.Id);
        sandbox.Journal.Dispose();
        try
        {
            Directory.Delete(JournalFolder(sandbox.Id), recursive: true);
        }
        catch (IOException e)
        {
            LogNotForgotten(_logger, sandbox.Id, e.Message);
        }
    }

    private string JournalFolder(string id) => Path.Combine(_journals, id);

    [LoggerMessage(LogLevel.Information, "Sandbox {SandboxId} of {Owner} is running ({Variant}, {Environment})")]
    private static partial void LogCreated(ILogger logger, string sandboxId, string owner, string variant, string environment);

    [LoggerMessage(LogLevel.Information, "Variant {Variant} is ready: {Details}")]
    private static partial void LogVariantReady(ILogger logger, string variant, string details);

    [LoggerMessage(Message = "Variant {Variant} cannot be used: {Reason}")]
    private static partial void LogVariantNotReady(ILogger logger, LogLevel level, string variant, string reason);

    [LoggerMessage(LogLevel.Warning, "Removed what was left of sandbox {SandboxId} ({Variant}), which no record knows")]
    private static partial void LogOrphan(ILogger logger, string sandboxId, string variant);

    [LoggerMessage(LogLevel.Error, "The journal of sandbox {SandboxId} is damaged: {Damage}")]
    private static partial void LogDamage(ILogger logger, string sandboxId, string damage);

    [LoggerMessage(LogLevel.Warning, "Upkeep of sandbox {SandboxId} failed and is tried again: {Reason}")]
    private static partial void LogUpkeepFailed(ILogger logger, string sandboxId, string reason);

    [LoggerMessage(LogLevel.Warning, "The journal of sandbox {SandboxId} could not be removed: {Reason}")]
    private static partial void LogNotForgotten(ILogger logger, string sandboxId, string reason);
}
