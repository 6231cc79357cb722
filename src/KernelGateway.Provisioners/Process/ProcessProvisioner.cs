using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Launcher;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace KernelGateway.Provisioners.Process;

/// <summary>The variant <c>local-eval</c>: kernels are plain processes with all rights of the gateway. For development, and refused unless allowed.</summary>
public sealed partial class ProcessProvisioner : IKernelProvisioner
{
    internal const string VariantName = "local-eval";

    /// <summary>An agent that lives answers within milliseconds.</summary>
    private static readonly TimeSpan ReattachTimeout = TimeSpan.FromSeconds(10);

    private readonly ProcessProvisionerOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger<ProcessProvisioner> _log;
    private readonly ProcessSite _site;

    /// <summary>Makes the provisioner; nothing on the host is touched before it is asked for something.</summary>
    /// <param name="options">Validated settings.</param>
    /// <param name="time">The clock.</param>
    /// <param name="log">Where to report.</param>
    public ProcessProvisioner(IOptions<ProcessProvisionerOptions> options, TimeProvider time, ILogger<ProcessProvisioner> log)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = options.Value;
        _time = time;
        _log = log;
        _site = new ProcessSite(_options, time);
    }

    /// <inheritdoc/>
    public string Name => VariantName;

    /// <inheritdoc/>
    public bool EnforcesLimits => false;

    /// <inheritdoc/>
    public IReadOnlyCollection<Type> Powers => [typeof(ICommandHost), typeof(IFileHost), typeof(IPausable)];

    /// <inheritdoc/>
    public Task<ProvisionerReadiness> CheckAsync(CancellationToken cancellationToken)
    {
        var reason = _options.Enabled ? FindMissing() : NotAllowed;
        return Task.FromResult(new ProvisionerReadiness(reason is null, reason, new Dictionary<string, string>
        {
            ["isolation"] = "none",
            ["stateFolder"] = _options.StateFolder,
        }));
    }

    /// <inheritdoc/>
    public string SystemOf(string environment) => "host";

    /// <inheritdoc/>
    public async Task<IKernelHost> ProvisionAsync(HostSpec spec, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(spec);
        SandboxIds.Check(spec.SandboxId);
        SandboxIds.Check(spec.Limits);
        KernelPlan.CheckVariables(spec.Variables);
        Demand();
        cancellationToken.ThrowIfCancellationRequested();
        var place = await _site.StartAsync(spec.SandboxId);
        return await LauncherHost.AdoptAsync(place, spec.Environment, spec.Variables, null, _options.StartTimeout, _time, _log, cancellationToken);
    }

    /// <inheritdoc/>
    public async Task<IKernelHost> ReattachAsync(HostDescription description, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(description);
        SandboxIds.Check(description.SandboxId);
        Demand();
        var state = LauncherState.Read(description, VariantName);
        var place = await LauncherHost.ReopenAsync(
            () => _site.Reopen(description.SandboxId, state.PlaceNumber("pid"), state.PlaceText("startedAt")),
            () => _site.Ground.RemoveAsync(description.SandboxId));
        return await LauncherHost.AdoptAsync(place, state.Environment, state.Variables, state, ReattachTimeout, _time, _log, cancellationToken);
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<string>> RemoveOrphansAsync(IReadOnlySet<string> known, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(known);
        return _site.Ground.RemoveOrphansAsync(known, (id, error) => LogOrphanStays(_log, id, error.Message), cancellationToken);
    }

    private const string NotAllowed =
        $"The variant 'local-eval' runs code without any isolation and is switched off. To allow it, set {ProcessProvisionerOptions.Section}:{nameof(ProcessProvisionerOptions.Enabled)} to true; for isolated kernels use the variant 'local'.";

    private void Demand()
    {
        if (!_options.Enabled)
        {
            throw new GatewayException(ErrorCode.NotSupported, NotAllowed);
        }

        if (FindMissing() is { } missing)
        {
            throw new GatewayException(ErrorCode.HostNotReady, $"The variant 'local-eval' cannot be used on this host. {missing}");
        }
    }

    private string? FindMissing()
    {
        if (!OperatingSystem.IsLinux())
        {
            return "It needs Linux.";
        }

        if (!File.Exists(_options.PythonPath))
        {
            return $"The interpreter '{_options.PythonPath}' was not found. Install it (apt install python3 python3-ipykernel) or set {ProcessProvisionerOptions.Section}:{nameof(_options.PythonPath)}.";
        }

        return File.Exists(Path.Combine(_options.LauncherFolder, "agent.py"))
            ? null
            : $"There is no agent.py in '{_options.LauncherFolder}'. Set {ProcessProvisionerOptions.Section}:{nameof(_options.LauncherFolder)} to the folder kernel-images/launcher of the gateway.";
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "What is left of sandbox {SandboxId} cannot be removed: {Problem}")]
    private static partial void LogOrphanStays(ILogger logger, string sandboxId, string problem);
}
