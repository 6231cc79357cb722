using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Containers;
using KernelGateway.Provisioners.Launcher;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace KernelGateway.Provisioners.Oci;

/// <summary>The variant <c>local</c>: each sandbox is an OCI container on this host.</summary>
public sealed partial class OciProvisioner : IKernelProvisioner, IDisposable
{
    internal const string VariantName = "local";

    /// <summary>An agent that lives answers within milliseconds.</summary>
    private static readonly TimeSpan ReattachTimeout = TimeSpan.FromSeconds(10);

    private static readonly ResourceLimits TrialLimits = new(1.0, 256L << 20, 64) { DiskBytes = 16L << 20, DiskInodes = 1024 };

    private readonly OciProvisionerOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger<OciProvisioner> _log;
    private readonly OciRequirements _requirements;
    private readonly SemaphoreSlim _preparing = new(1, 1);
    private OciSite? _site;
    private bool _proven;
    private IReadOnlyDictionary<string, string> _details = new Dictionary<string, string>();

    /// <summary>Makes the provisioner; nothing on the host is touched before it is asked for something.</summary>
    /// <param name="options">Validated settings.</param>
    /// <param name="time">The clock.</param>
    /// <param name="log">Where to report.</param>
    public OciProvisioner(IOptions<OciProvisionerOptions> options, TimeProvider time, ILogger<OciProvisioner> log)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = options.Value;
        _time = time;
        _log = log;
        _requirements = new OciRequirements(_options, time);
    }

    /// <inheritdoc/>
    public string Name => VariantName;

    /// <inheritdoc/>
    public bool ConfinesNetwork => true;

    /// <inheritdoc/>
    public bool MountsHostFolders => true;

    /// <inheritdoc/>
    public IReadOnlyCollection<Type> Powers => [typeof(ILimitable), typeof(IMeasurable), typeof(ICommandHost), typeof(IFileHost), typeof(IPausable)];

    /// <inheritdoc/>
    public async Task<ProvisionerReadiness> CheckAsync(CancellationToken cancellationToken)
    {
        var (site, reason) = await PrepareAsync(prove: true, cancellationToken);
        return new ProvisionerReadiness(site is not null, reason, _details);
    }

    /// <inheritdoc/>
    public async Task<IKernelHost> ProvisionAsync(HostSpec spec, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(spec);
        SandboxIds.Check(spec.SandboxId);
        SandboxIds.Check(spec.Limits);
        KernelPlan.CheckVariables(spec.Variables);
        var site = await ReadySiteAsync(prove: true, cancellationToken);
        var place = await site.StartAsync(spec.SandboxId, spec.Environment, spec.Limits, cancellationToken);
        return await LauncherHost.AdoptAsync(place, spec.Environment, spec.Variables, null, _options.StartTimeout, _time, _log, cancellationToken);
    }

    /// <inheritdoc/>
    public async Task<IKernelHost> ReattachAsync(HostDescription description, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(description);
        SandboxIds.Check(description.SandboxId);
        var state = LauncherState.Read(description, VariantName);
        var slot = state.PlaceNumber("slot");
        var site = await ReadySiteAsync(prove: false, cancellationToken);
        var place = await LauncherHost.ReopenAsync(
            () => site.Reopen(description.SandboxId, state.PlaceText("system"), slot, state.PlaceNumber("pid"), state.PlaceText("startedAt")),
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

        var (site, reason) = await PrepareAsync(prove: false, cancellationToken);
        if (site is null)
        {
            // A gateway that has lost its runtime must still start, with its other variants.
            LogNoSweep(_log, _options.StateFolder, reason);
            return [];
        }

        return await site.RemoveOrphansAsync(known, (id, error) => LogOrphanStays(_log, id, error.Message), cancellationToken);
    }

    /// <inheritdoc/>
    public string? SystemOf(string environment) => _site?.SystemOf(environment);

    /// <inheritdoc/>
    public void Dispose()
    {
        _site?.Dispose();
        _preparing.Dispose();
    }

    private async Task<OciSite> ReadySiteAsync(bool prove, CancellationToken cancellationToken)
    {
        var (site, reason) = await PrepareAsync(prove, cancellationToken);
        return site ?? throw new GatewayException(ErrorCode.HostNotReady, $"The variant 'local' cannot be used on this host. {reason}");
    }

    /// <summary>What has been found in order is not looked at again; what has not is, each time.</summary>
    private async Task<(OciSite? Site, string? Reason)> PrepareAsync(bool prove, CancellationToken cancellationToken)
    {
        await _preparing.WaitAsync(cancellationToken);
        try
        {
            var layout = CgroupLayout.Read();
            if (_requirements.FindMissing(layout) is { } missing)
            {
                return (null, missing);
            }

            _site ??= await MakeSiteAsync(layout);
            if (prove && !_proven)
            {
                if (await _requirements.FindMissingModuleAsync() is { } module)
                {
                    return (null, module);
                }

                var deviations = await TryOutAsync(_site, cancellationToken);
                if (deviations.Count > 0)
                {
                    var reason = $"A trial container was not isolated as it must be: {string.Join("; ", deviations)}.";
                    LogPosture(_log, reason);
                    return (null, reason);
                }

                _proven = true;
            }

            return (_site, null);
        }
        catch (Exception error) when (error is OciRuntimeException or IOException or UnauthorizedAccessException or PlatformNotSupportedException)
        {
            return (null, error.Message);
        }
        catch (GatewayException error)
        {
            return (null, $"A trial container could not be made. {error.Message}");
        }
        finally
        {
            _preparing.Release();
        }
    }

    private async Task<OciSite> MakeSiteAsync(CgroupLayout layout)
    {
        var folders = new ContainerFolders(_options.StateFolder, _options.DataDirectory);
        folders.Create();
        _ = _requirements.TryFindRuntime(out var path);
        var runtime = new OciRuntime(path!, folders.Runtime, _time);
        var version = await runtime.VersionAsync();
        if (OciRequirements.FindUnfit(version, layout) is { } unfit)
        {
            throw new OciRuntimeException(unfit);
        }

        _details = new Dictionary<string, string>
        {
            ["runtime"] = path!,
            ["runtimeVersion"] = version,
            ["cgroupVersion"] = layout.Version == 1 ? "1" : "2",
            ["swapLimited"] = layout.LimitsSwap ? "yes" : "no",
            ["diskQuota"] = _options.DiskQuota ? "yes" : "no: sandboxes can fill the host's disk",
            ["stateFolder"] = _options.StateFolder,
        };
        return await OciSite.PrepareAsync(_options, runtime, layout, folders, _time);
    }

    private async Task<IReadOnlyList<string>> TryOutAsync(OciSite site, CancellationToken cancellationToken)
    {
        var id = $"trial-{Guid.NewGuid():N}";
        using var place = await site.StartAsync(id, null, TrialLimits, cancellationToken);
        try
        {
            // A runtime returns before the filter is in place; the agent's socket says that all of it is.
            var (socket, _) = await AgentSocket.ConnectAsync(place.Sockets, place.Uid, place.Gone, _options.StartTimeout, _time, cancellationToken);
            socket.Dispose();
            var sandbox = site.Find(id, place.Slot);
            return new OciPosture(_options, site, sandbox, TrialLimits).Deviations(place.InitPid, ContainerPolicy.OomScoreAdjust);
        }
        finally
        {
            await place.KillAsync();
            await place.RemoveAsync();
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "What is left of earlier sandboxes in {StateFolder} cannot be removed now. {Reason}")]
    private static partial void LogNoSweep(ILogger logger, string stateFolder, string? reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "What is left of sandbox {SandboxId} cannot be removed: {Problem}")]
    private static partial void LogOrphanStays(ILogger logger, string sandboxId, string problem);

    [LoggerMessage(Level = LogLevel.Error, Message = "{Reason}")]
    private static partial void LogPosture(ILogger logger, string reason);
}
