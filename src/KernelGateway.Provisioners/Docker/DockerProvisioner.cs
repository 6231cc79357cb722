using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Containers;
using KernelGateway.Provisioners.Launcher;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace KernelGateway.Provisioners.Docker;

/// <summary>The variant <c>local-docker</c>: each sandbox is a container of a Docker engine on this host.</summary>
public sealed partial class DockerProvisioner : IKernelProvisioner, IDisposable
{
    internal const string VariantName = "local-docker";

    /// <summary>An agent that lives answers within milliseconds.</summary>
    private static readonly TimeSpan ReattachTimeout = TimeSpan.FromSeconds(10);

    private readonly DockerProvisionerOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger<DockerProvisioner> _log;
    private readonly DockerEngine _engine;
    private readonly DockerImages _images;
    private readonly SemaphoreSlim _preparing = new(1, 1);
    private DockerSite? _site;

    /// <summary>Makes the provisioner; nothing on the host is touched before it is asked for something.</summary>
    /// <param name="options">Validated settings.</param>
    /// <param name="time">The clock.</param>
    /// <param name="log">Where to report.</param>
    public DockerProvisioner(IOptions<DockerProvisionerOptions> options, TimeProvider time, ILogger<DockerProvisioner> log)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = options.Value;
        _time = time;
        _log = log;
        _engine = new DockerEngine(EngineClient.For(_options.SocketPath, time), time);
        _images = new DockerImages(_options, _engine);
    }

    /// <inheritdoc/>
    public string Name => VariantName;

    /// <inheritdoc/>
    public bool ConfinesNetwork => true;

    /// <inheritdoc/>
    public IReadOnlyCollection<string> SelectableImages => [.. _options.AllowedImages];

    /// <inheritdoc/>
    public IReadOnlyCollection<Type> Powers => [typeof(ILimitable), typeof(IMeasurable), typeof(ICommandHost), typeof(IFileHost), typeof(IPausable)];

    /// <inheritdoc/>
    public string? SystemOf(string environment) => _images.LabelOf(environment);

    /// <inheritdoc/>
    public async Task<IKernelHost> ProvisionAsync(HostSpec spec, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(spec);
        SandboxIds.Check(spec.SandboxId);
        SandboxIds.Check(spec.Limits);
        KernelPlan.CheckVariables(spec.Variables);
        try
        {
            var site = await SiteAsync(cancellationToken);
            var policy = PolicyFor(await _engine.FactsAsync(cancellationToken));
            var image = await _images.FindAsync(spec.Environment, spec.Image, policy, cancellationToken);
            await site.RemoveLeftoversAsync(LogStays);
            var place = await site.StartAsync(spec.SandboxId, image, spec.Limits, policy, cancellationToken);
            var host = await LauncherHost.AdoptAsync(place, image.Adapt(spec.Environment), spec.Variables, null, _options.StartTimeout, _time, _log, cancellationToken);
            await DemandIsolationAsync(host, place, spec.Limits, image.Tini is null);
            return host;
        }
        catch (EngineException error)
        {
            throw NotReady(error.Message, error);
        }
    }

    /// <inheritdoc/>
    public async Task<IKernelHost> ReattachAsync(HostDescription description, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(description);
        SandboxIds.Check(description.SandboxId);
        var state = LauncherState.Read(description, VariantName);
        var slot = state.PlaceNumber("slot");
        // Not a word with the engine: its containers may have outlived it.
        var site = await SiteAsync(cancellationToken);
        var place = await LauncherHost.ReopenAsync(
            () => site.Reopen(description.SandboxId, state),
            () => site.RemoveAsync(site.Find(description.SandboxId, slot)));
        return await LauncherHost.AdoptAsync(place, state.Environment, state.Variables, state, ReattachTimeout, _time, _log, cancellationToken);
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<string>> RemoveOrphansAsync(IReadOnlySet<string> known, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(known);
        if (!Directory.Exists(_options.StateFolder))
        {
            return [];
        }

        try
        {
            var site = await SiteAsync(cancellationToken);
            return await site.RemoveOrphansAsync(known, LogStays, cancellationToken);
        }
        catch (Exception error) when (error is GatewayException or EngineException)
        {
            // A gateway that has lost its engine must still start, with its other variants.
            LogNoSweep(_log, _options.StateFolder, error.Message);
            return [];
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _images.Dispose();
        _preparing.Dispose();
    }

    /// <summary>Each one is looked at: an engine may be given another runtime at any time.</summary>
    private async Task DemandIsolationAsync(LauncherHost host, DockerPlace place, ResourceLimits limits, bool isEnginesInit)
    {
        IReadOnlyList<string> deviations;
        try
        {
            deviations = place.Deviations(_options, limits, isEnginesInit);
        }
        catch (IOException)
        {
            return; // It has ended meanwhile, which its own watch tells.
        }

        if (deviations.Count > 0)
        {
            await host.TerminateAsync(TimeSpan.Zero, CancellationToken.None);
            await host.DisposeAsync();
            throw NotIsolated(deviations);
        }
    }

    private GatewayException NotIsolated(IReadOnlyList<string> deviations)
    {
        var list = string.Join("; ", deviations);
        LogPosture(_log, list);
        return NotReady($"A container was not isolated as it must be: {list}.");
    }

    private DockerPolicy PolicyFor(EngineFacts facts)
    {
        var policy = new DockerPolicy(_options, facts);
        return (DockerRequirements.FindUnfit(facts, _options.SocketPath) ?? policy.FindUnfitParent()) is { } unfit ? throw NotReady(unfit) : policy;
    }

    /// <exception cref="GatewayException"><see cref="ErrorCode.HostNotReady"/>: the host lacks something; the engine has not been asked.</exception>
    private async Task<DockerSite> SiteAsync(CancellationToken cancellationToken)
    {
        await _preparing.WaitAsync(cancellationToken);
        try
        {
            if (_site is not null)
            {
                return _site;
            }

            var layout = CgroupLayout.Read();
            if (DockerRequirements.FindMissing(_options, layout) is { } missing)
            {
                throw NotReady(missing);
            }

            var folders = new ContainerFolders(_options.StateFolder, _options.DataDirectory);
            folders.Create();
            var shared = await SharedFiles.PrepareAsync(folders.Shared, _options.LauncherFolder, "/usr/bin/python3", _time);
            var ground = new ContainerGround(
                layout, folders, new UidSlots(folders.Slots, _options.UidBase, _options.UidSlots), new SandboxDisks(_options.DiskQuota, _options.SharedDiskBytes, _time), _time);
            return _site = new DockerSite(_options, _engine, ground, shared);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or PlatformNotSupportedException)
        {
            throw NotReady(error.Message, error);
        }
        finally
        {
            _preparing.Release();
        }
    }

    private static GatewayException NotReady(string reason, Exception? inner = null) =>
        new(ErrorCode.HostNotReady, $"The variant '{VariantName}' cannot be used on this host. {reason}", inner: inner);

    private void LogStays(string id, IOException error) => LogOrphanStays(_log, id, error.Message);

    [LoggerMessage(Level = LogLevel.Warning, Message = "What is left of earlier sandboxes in {StateFolder} cannot be removed now. {Reason}")]
    private static partial void LogNoSweep(ILogger logger, string stateFolder, string? reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "What is left of sandbox {SandboxId} cannot be removed: {Problem}")]
    private static partial void LogOrphanStays(ILogger logger, string sandboxId, string problem);

    [LoggerMessage(Level = LogLevel.Error, Message = "A container was not isolated as it must be: {Deviations}")]
    private static partial void LogPosture(ILogger logger, string deviations);
}
