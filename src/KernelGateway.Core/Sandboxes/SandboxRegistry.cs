using KernelGateway.Contracts;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Egress;
using KernelGateway.Core.Environments;
using KernelGateway.Core.Errors;
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
    private readonly Variants _variants;
    private readonly SandboxTable _sandboxes;
    private readonly SandboxRestoration _restoration;
    private readonly SandboxUpkeep _upkeep;
    private readonly EnvironmentCatalog _environments;
    private readonly NetworkOptions _networkOptions;
    private readonly SnapshotCatalog _snapshots;
    private readonly SandboxOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger<SandboxRegistry> _logger;

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
        ArgumentNullException.ThrowIfNull(network);
        ArgumentNullException.ThrowIfNull(snapshots);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(journalOptions);
        ArgumentNullException.ThrowIfNull(data);
        _environments = environments;
        _networkOptions = network.Options;
        _snapshots = snapshots;
        _options = options.Value;
        _time = time;
        _logger = logger;
        _variants = new Variants(provisioners, _options, logger);
        _sandboxes = new SandboxTable(store, network, snapshots.Options, _options, journalOptions.Value, data.Value, time, logger);
        _restoration = new SandboxRestoration(_sandboxes, _variants, environments, logger);
        _upkeep = new SandboxUpkeep(_sandboxes, _options, journalOptions.Value, time, logger);
    }

    /// <summary>The variants that this gateway has, by canonical name.</summary>
    public IReadOnlyDictionary<string, IKernelProvisioner> Provisioners => _variants.ByName;

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
            : CreateAsync(request, owner, idempotencyKey, null, [], cancellationToken);
    }

    private async Task<Sandbox> CreateAsync(
        CreateSandboxRequest request, string owner, string? idempotencyKey, OpenedSnapshot? from, IReadOnlyList<string> warnings, CancellationToken cancellationToken)
    {
        var record = CreateSandboxValidator.ToRecord(request, owner, CreateSandboxValidator.IdempotencyKey(idempotencyKey), _options, _time.GetUtcNow()) with
        {
            SnapshotId = from?.Snapshot.Info.Id,
            Warnings = warnings,
        };
        var provisioner = _variants.Get(record.Variant);
        var environment = _environments.Get(record.Environment, provisioner);
        VariantRequests.Check(request, environment, provisioner, _variants);
        var server = VariantRequests.ServerOf(request, provisioner, _variants);
        record = record with { Network = NetworkRequests.ToSettings(request.NetworkPolicy, request.AllowedHosts, request.DeniedHosts, record.Variant, _variants.Confining(), _networkOptions) };
        var sandbox = _sandboxes.Add(record, environment, out var known);
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
            _sandboxes.Forget(sandbox); // Nobody knows its id.
            throw;
        }

        LogCreated(_logger, sandbox.Id, owner, record.Variant, record.Environment);
        return sandbox;
    }

    /// <summary>Finds a sandbox of an owner; somebody else's is as if it were not there.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.SandboxNotFound"/>.</exception>
    public Sandbox Get(string id, string owner) =>
        _sandboxes.Find(id) is { } sandbox && sandbox.Owner == owner
            ? sandbox
            : throw new GatewayException(ErrorCode.SandboxNotFound, "There is no sandbox of that id.", "id");

    /// <summary>Is raised with the id of a sandbox whose life has gone on, or that is gone. Handlers must return at once and not throw.</summary>
    internal event Action<string>? LifeGoesOn
    {
        add => _sandboxes.LifeGoesOn += value;
        remove => _sandboxes.LifeGoesOn -= value;
    }

    /// <summary>Finds a sandbox, whoever its owner is.</summary>
    internal Sandbox? TryGet(string id) => _sandboxes.Find(id);

    /// <summary>The sandboxes of an owner, newest first.</summary>
    public IEnumerable<Sandbox> List(string owner) =>
        _sandboxes.All.Where(s => s.Owner == owner).OrderByDescending(s => s.Record.CreatedAt).ThenBy(s => s.Id, StringComparer.Ordinal);

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
        return sandbox.UpdateAsync(request, _variants.With<ILimitable>(), cancellationToken);
    }

    /// <summary>Stops everything in a sandbox where it stands; its memory stays in use.</summary>
    /// <exception cref="GatewayException">It does not live, a run in it is being stopped, the host cannot, or the variant cannot pause; it goes on then.</exception>
    public Task PauseAsync(Sandbox sandbox, PauseRequest? request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(sandbox);
        return sandbox.PauseAsync(request?.AutoResume, _variants.With<IPausable>(), cancellationToken);
    }

    /// <summary>What a sandbox uses.</summary>
    /// <exception cref="GatewayException">It does not run, or its variant does not count.</exception>
    public SandboxUsage ReadUsage(Sandbox sandbox)
    {
        ArgumentNullException.ThrowIfNull(sandbox);
        return sandbox.ReadUsage(_variants.With<IMeasurable>());
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
            request.NetworkPolicy, request.AllowedHosts, request.DeniedHosts, sandbox.Record.Variant, _variants.Confining(), _networkOptions);
        return sandbox.SetNetworkAsync(settings, cancellationToken);
    }

    /// <summary>Takes up the sandboxes of an earlier run. Whoever is answered after this finds them all.</summary>
    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        await _restoration.RunAsync(cancellationToken);
        await base.StartAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        _sandboxes.Close();
        await base.StopAsync(cancellationToken);
        await Task.WhenAll(_sandboxes.All.Select(s => s.DisposeAsync().AsTask()));
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await _variants.CheckAsync(stoppingToken);
        await _upkeep.RunAsync(stoppingToken);
    }

    [LoggerMessage(LogLevel.Information, "Sandbox {SandboxId} of {Owner} is running ({Variant}, {Environment})")]
    private static partial void LogCreated(ILogger logger, string sandboxId, string owner, string variant, string environment);
}
