using KernelGateway.Core.Egress;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Launcher;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace KernelGateway.Provisioners.JupyterServer;

/// <summary>
/// The variant <c>local-jupyter</c>: kernels in a Jupyter Server, one that runs already or one that is started for the sandbox.
/// Nobody holds them to limits or keeps them from the network, and they keep no log.
/// </summary>
public sealed class JupyterServerProvisioner : IKernelProvisioner
{
    internal const string VariantName = "local-jupyter";

    private const string NotAllowed =
        $"The variant 'local-jupyter' is switched off. Set {JupyterServerOptions.Section}:{nameof(JupyterServerOptions.Url)} to a Jupyter Server that runs already, or {JupyterServerOptions.Section}:{nameof(JupyterServerOptions.StartServers)} to true to have one started for each sandbox, without any isolation.";

    private static readonly TimeSpan FirstLook = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan CheckTimeout = TimeSpan.FromSeconds(5);

    private readonly JupyterServerOptions _options;
    private readonly ServerHosting _hosting;
    private readonly TimeProvider _time;
    private readonly JupyterServerSite _site;

    /// <summary>Makes the provisioner; nothing is touched or called before it is asked for something.</summary>
    /// <param name="options">Validated settings.</param>
    /// <param name="dialler">Connects to servers that callers name.</param>
    /// <param name="time">The clock.</param>
    /// <param name="log">Where to report.</param>
    public JupyterServerProvisioner(IOptions<JupyterServerOptions> options, GuardedDialler dialler, TimeProvider time, ILogger<JupyterServerProvisioner> log)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = options.Value;
        _hosting = new ServerHosting(dialler, _options.LauncherFolder, _options.StateFolder, time, log);
        _time = time;
        _site = new JupyterServerSite(_options, _hosting.Reach, time);
    }

    /// <inheritdoc/>
    public string Name => VariantName;

    /// <inheritdoc/>
    public bool EnforcesLimits => false;

    /// <inheritdoc/>
    public bool TakesServers => true;

    /// <inheritdoc/>
    public IReadOnlyCollection<Type> Powers => [typeof(ICommandHost), typeof(IFileHost)];

    /// <inheritdoc/>
    public string? SystemOf(string environment) => _options.Url.Length > 0 ? $"server {_options.Url}" : _options.StartServers ? "host" : null;

    /// <inheritdoc/>
    public async Task<ProvisionerReadiness> CheckAsync(CancellationToken cancellationToken)
    {
        var details = new Dictionary<string, string>
        {
            ["isolation"] = _options.Url.Length > 0 ? "that of the server" : "none",
            ["limits"] = "not enforced",
            ["network"] = "not confined",
            ["server"] = _options.Url.Length > 0 ? _options.Url : _options.StartServers ? "started for each sandbox" : "none",
        };
        string? reason = null;
        try
        {
            if (_options.Url.Length > 0)
            {
                var access = Configured();
                using var http = _hosting.Dial();
                await new JupyterApi(http, access, _time).WaitAsync(CheckTimeout, CheckTimeout, cancellationToken);
            }
            else
            {
                reason = _options.StartServers ? FindMissing() : _options.AllowRequestServers ? null : NotAllowed;
            }
        }
        catch (GatewayException e)
        {
            reason = e.Message;
        }

        return new ProvisionerReadiness(reason is null, reason, details);
    }

    /// <inheritdoc/>
    public async Task<IKernelHost> ProvisionAsync(HostSpec spec, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(spec);
        SandboxIds.Check(spec.SandboxId);
        SandboxIds.Check(spec.Limits);
        KernelPlan.CheckVariables(spec.Variables);
        cancellationToken.ThrowIfCancellationRequested();
        var place = spec.Server?.Url is { } url ? External(spec.SandboxId, Requested(url, spec.Server.Token))
            : _options.Url.Length > 0 ? External(spec.SandboxId, Configured())
            : await StartAsync(spec.SandboxId);
        if (spec.Server?.KernelId is not null && !(place.Access.IsJudged || (_options.AllowAdoption && !place.IsOwn)))
        {
            await _hosting.GiveUpAsync(place);
            throw new GatewayException(
                ErrorCode.NotSupported, $"A kernel that lives already can be named only together with a 'serverUrl', or when the operator sets {JupyterServerOptions.Section}:{nameof(_options.AllowAdoption)}.", "kernelId");
        }

        var plan = new ServerHostState(spec.Environment, spec.Variables, place.Access, [], spec.Server?.KernelId, []);
        return await _hosting.OpenAsync(place, plan, place.IsOwn ? _options.StartTimeout : CheckTimeout, FirstLook, cancellationToken);
    }

    /// <inheritdoc/>
    public async Task<IKernelHost> ReattachAsync(HostDescription description, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(description);
        SandboxIds.Check(description.SandboxId);
        var state = ServerHostState.Read(description, VariantName);
        ServerPlace? place = state.PlaceNumber("pid") is not { } pid
            ? External(description.SandboxId, state.Access)
            : _site.Reopen(description.SandboxId, pid, state.PlaceText("startedAt"), state.Access);
        if (place is null)
        {
            throw await LauncherHost.GoneAsync(() => _site.Ground.RemoveAsync(description.SandboxId));
        }

        return await _hosting.FindAsync(place, state, cancellationToken);
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<string>> RemoveOrphansAsync(IReadOnlySet<string> known, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(known);
        await _hosting.SweepCopiesAsync(known, _site.Ground.Held, cancellationToken);
        return await _site.Ground.RemoveOrphansAsync(known, _hosting.LogStays, cancellationToken);
    }

    private ExternalPlace External(string sandboxId, ServerAccess access) => new() { SandboxId = sandboxId, Access = access, Reach = _hosting.Reach };

    private async Task<ServerPlace> StartAsync(string sandboxId)
    {
        if (!_options.StartServers)
        {
            throw new GatewayException(ErrorCode.NotSupported, NotAllowed, "variant");
        }

        return FindMissing() is { } missing
            ? throw new GatewayException(ErrorCode.HostNotReady, $"The variant 'local-jupyter' cannot be used on this host. {missing}")
            : await _site.StartAsync(sandboxId);
    }

    private ServerAccess Configured() => new(
        ServerAccess.Parse(_options.Url, JupyterServerOptions.Section), SecretFile.Read(_options.Token, _options.TokenFile, $"{JupyterServerOptions.Section}:{nameof(_options.TokenFile)}"));

    private ServerAccess Requested(string url, string? token) => _options.AllowRequestServers
        ? new ServerAccess(ServerAccess.Parse(url, "serverUrl"), token ?? "", IsJudged: true)
        : throw new GatewayException(ErrorCode.NotSupported, $"This gateway takes no servers of callers. The operator can allow it ({JupyterServerOptions.Section}:{nameof(_options.AllowRequestServers)}).", "serverUrl");

    private string? FindMissing()
    {
        if (!OperatingSystem.IsLinux())
        {
            return "It needs Linux.";
        }

        return File.Exists(_options.PythonPath)
            ? null
            : $"The interpreter '{_options.PythonPath}' was not found. Install it (apt install python3-jupyter-server python3-ipykernel) or set {JupyterServerOptions.Section}:{nameof(_options.PythonPath)}.";
    }
}
