using System.Security.Cryptography;
using System.Text;
using KernelGateway.Core.Egress;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.JupyterServer;
using KernelGateway.Provisioners.Launcher;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace KernelGateway.Provisioners.Datalayer;

/// <summary>The variant <c>datalayer-runtime</c>: kernels in runtimes of the Datalayer cloud, each of which is a Jupyter Server.</summary>
public sealed partial class DatalayerProvisioner : IKernelProvisioner
{
    internal const string VariantName = "datalayer-runtime";

    private const string NotAllowed =
        $"The variant 'datalayer-runtime' is switched off. Set {DatalayerOptions.Section}:{nameof(DatalayerOptions.ApiKey)}, {nameof(DatalayerOptions.ApiKeyFile)} or the environment variable {DatalayerOptions.KeyVariable}.";

    // The start of the gateway waits for it.
    private static readonly TimeSpan StartPatience = TimeSpan.FromSeconds(3);

    private static readonly TimeSpan FirstLook = TimeSpan.FromMilliseconds(100);

    private readonly DatalayerOptions _options;
    private readonly ServerDialler _dialler;
    private readonly ServerReach _reach;
    private readonly TimeProvider _time;
    private readonly ILogger<DatalayerProvisioner> _log;

    // Sandboxes that this process makes or holds: a sweep leaves them alone.
    private readonly HeldPlaces _held = new();

    /// <summary>Makes the provisioner; nothing is called before it is asked for something.</summary>
    /// <param name="options">Validated settings.</param>
    /// <param name="dialler">Connects to the servers that the control plane names.</param>
    /// <param name="time">The clock.</param>
    /// <param name="log">Where to report.</param>
    public DatalayerProvisioner(IOptions<DatalayerOptions> options, GuardedDialler dialler, TimeProvider time, ILogger<DatalayerProvisioner> log)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = options.Value;
        _dialler = new ServerDialler(dialler);
        _reach = new ServerReach(_options.LauncherFolder, _options.StateFolder);
        _time = time;
        _log = log;
    }

    /// <inheritdoc/>
    public string Name => VariantName;

    /// <inheritdoc/>
    public bool EnforcesLimits => false;

    /// <inheritdoc/>
    public IReadOnlyCollection<Type> Powers => [typeof(ICommandHost), typeof(IFileHost)];

    /// <summary>What the names of our runtimes begin with, made from what tells gateways apart that share a key.</summary>
    internal static string PrefixOf(string dataDirectory)
    {
        var machine = File.Exists("/etc/machine-id") ? File.ReadAllText("/etc/machine-id") : Environment.MachineName;
        return $"kg-{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{machine.Trim()}\n{dataDirectory}")))[..10]}-";
    }

    /// <inheritdoc/>
    public async Task<ProvisionerReadiness> CheckAsync(CancellationToken cancellationToken)
    {
        var details = new Dictionary<string, string> { ["isolation"] = "that of the cloud", ["limits"] = "those of its environment", ["network"] = "not confined", ["service"] = _options.Url };
        string? reason = null;
        try
        {
            if (KeyOrNull() is null)
            {
                reason = NotAllowed; // Nothing is called for it: a gateway that does not use it must not wait for it either.
            }
            else
            {
                using var http = _dialler.Open(null, false);
                details["environments"] = string.Join(", ", (await Control(http, StartPatience).EnvironmentsAsync(cancellationToken)).Keys.Take(20));
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
        var toControl = _dialler.Open(null, false);
        try
        {
            if (!_held.TryHold(spec.SandboxId))
            {
                throw new GatewayException(ErrorCode.Conflict, $"There is a sandbox '{spec.SandboxId}' already.");
            }

            try
            {
                var control = Control(toControl);
                var runtime = await MakeAsync(control, spec, cancellationToken);
                return await OpenAsync(runtime, control, toControl, new ServerHostState(spec.Environment, spec.Variables, new ServerAccess(new Uri(_options.Url), ""), [], null, []), spec.SandboxId, cancellationToken);
            }
            catch
            {
                _held.LetGo(spec.SandboxId);
                throw;
            }
        }
        catch
        {
            toControl.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public async Task<IKernelHost> ReattachAsync(HostDescription description, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(description);
        SandboxIds.Check(description.SandboxId);
        var state = ServerHostState.Read(description, VariantName);
        var pod = state.PlaceText("pod");
        var toControl = _dialler.Open(null, false);
        try
        {
            var runtime = await FindAgainAsync(Control(toControl, StartPatience), pod, state, cancellationToken)
                ?? throw new GatewayException(ErrorCode.KernelFailed, "The runtime of the sandbox ended while the gateway was away: its reservation is over, or it was ended.");
            var access = AccessOf(runtime);
            var place = new RuntimePlace(runtime, Control(toControl), toControl, _options.LookInterval, _time) { SandboxId = description.SandboxId, Access = access, Reach = _reach, LetGo = _held.LetGo };
            _held.Hold(description.SandboxId);
            return await ServerHost.FindAsync(place, state with { Access = access }, _dialler.Open(null, access.IsJudged), _time, _log, cancellationToken);
        }
        catch
        {
            toControl.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<string>> RemoveOrphansAsync(IReadOnlySet<string> known, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(known);
        await _reach.SweepAsync(known, _held, (id, error) => LogNotSwept(_log, error.Message), _time, cancellationToken);
        var removed = new List<string>();
        try
        {
            if (KeyOrNull() is null)
            {
                return removed;
            }

            using var http = _dialler.Open(null, false);
            var control = Control(http, StartPatience);
            foreach (var runtime in (await control.ListAsync(cancellationToken)).Where(runtime => runtime.GivenName.StartsWith(_options.NamePrefix, StringComparison.Ordinal)))
            {
                var id = runtime.GivenName[_options.NamePrefix.Length..];
                if (!known.Contains(id) && !_held.IsHeld(id))
                {
                    await control.DeleteAsync(runtime.Pod, cancellationToken);
                    removed.Add(id);
                }
            }
        }
        catch (GatewayException e)
        {
            LogNotSwept(_log, e.Message);
        }

        return removed;
    }

    /// <summary>Whether a runtime is there still. A control plane that does not answer says nothing of that: then it is taken for what it was.</summary>
    private async Task<DatalayerRuntime?> FindAgainAsync(DatalayerControl control, string pod, ServerHostState state, CancellationToken cancellationToken)
    {
        try
        {
            return await control.FindAsync(pod, cancellationToken);
        }
        catch (GatewayException e)
        {
            LogNotAsked(_log, pod, e.Message);
            return new DatalayerRuntime(state.PlaceTextOrNull("uid") ?? "", pod, "", state.Access.Url.ToString(), state.Access.Token, null);
        }
    }

    /// <summary>Makes a runtime, at most one of a name: an answer that was lost is looked for.</summary>
    private async Task<DatalayerRuntime> MakeAsync(DatalayerControl control, HostSpec spec, CancellationToken cancellationToken)
    {
        var environments = await control.EnvironmentsAsync(cancellationToken);
        if (!environments.TryGetValue(spec.Environment.Name, out var rate))
        {
            throw new GatewayException(
                ErrorCode.EnvironmentNotFound, $"Datalayer has no environment '{spec.Environment.Name}'; it has: {Native.TextTail.Clean(string.Join(", ", environments.Keys), 300)}.", "environment");
        }

        var name = _options.NamePrefix + spec.SandboxId;
        if ((await control.ListAsync(cancellationToken)).Any(runtime => runtime.GivenName == name))
        {
            throw new GatewayException(ErrorCode.Conflict, $"There is a runtime for a sandbox '{spec.SandboxId}' already.");
        }

        try
        {
            // Not cut short: it would be made all the same, and nobody would know.
            cancellationToken.ThrowIfCancellationRequested();
            return await control.CreateAsync(spec.Environment.Name, name, Math.Max(rate * 60 * _options.ReservationMinutes, 0.01), CancellationToken.None);
        }
        catch (GatewayException e) when (e.Code == ErrorCode.KernelFailed)
        {
            // It may have been made, with the answer lost or unreadable: nobody else would ever end it.
            await EndByNameAsync(control, name);
            throw;
        }
    }

    private async Task EndByNameAsync(DatalayerControl control, string name)
    {
        try
        {
            foreach (var runtime in (await control.ListAsync(CancellationToken.None)).Where(runtime => runtime.GivenName == name))
            {
                await control.DeleteAsync(runtime.Pod, CancellationToken.None);
            }
        }
        catch (GatewayException e)
        {
            LogNotSwept(_log, e.Message);
        }
    }

    /// <summary>Waits until the server of a new runtime answers; ends the runtime when it does not.</summary>
    private async Task<ServerHost> OpenAsync(DatalayerRuntime runtime, DatalayerControl control, HttpMessageInvoker toControl, ServerHostState state, string sandboxId, CancellationToken cancellationToken)
    {
        try
        {
            cancellationToken.ThrowIfCancellationRequested();
            var access = AccessOf(runtime);
            var http = _dialler.Open(null, access.IsJudged);
            try
            {
                await new JupyterApi(http, access, _time).WaitAsync(_options.IngressTimeout, FirstLook, cancellationToken);
                var place = new RuntimePlace(runtime, control, toControl, _options.LookInterval, _time) { SandboxId = sandboxId, Access = access, Reach = _reach, LetGo = _held.LetGo };
                return new ServerHost(place, state with { Access = access }, http, _time, _log);
            }
            catch
            {
                http.Dispose();
                throw;
            }
        }
        catch
        {
            try
            {
                await control.DeleteAsync(runtime.Pod, CancellationToken.None);
            }
            catch (GatewayException e)
            {
                LogNotSwept(_log, e.Message);
            }

            throw;
        }
    }

    /// <summary>Where the runtime's server is. A service reached by TLS must not lead to one that is not.</summary>
    private ServerAccess AccessOf(DatalayerRuntime runtime) =>
        ServerAccess.Problem(runtime.Ingress) is null && (!_options.Url.StartsWith("https:", StringComparison.OrdinalIgnoreCase) || runtime.Ingress.StartsWith("https:", StringComparison.OrdinalIgnoreCase))
            ? new ServerAccess(ServerAccess.Parse(runtime.Ingress, "ingress"), runtime.Token, IsJudged: true)
            : throw new GatewayException(ErrorCode.KernelFailed, "The Datalayer service names no address at which the runtime's server could be reached.");

    private DatalayerControl Control(HttpMessageInvoker http, TimeSpan? within = null) =>
        new(http, _options.Url, within ?? _options.CallTimeout, KeyOrNull() ?? throw new GatewayException(ErrorCode.NotSupported, NotAllowed, "variant"), _time);

    private string? KeyOrNull()
    {
        var key = SecretFile.Read(_options.ApiKey, _options.ApiKeyFile, $"{DatalayerOptions.Section}:{nameof(_options.ApiKeyFile)}");
        return key.Length > 0 ? key : Environment.GetEnvironmentVariable(DatalayerOptions.KeyVariable) is { Length: > 0 } variable ? variable : null;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Nobody says whether the runtime {Pod} is there still; it is used as before: {Problem}")]
    private static partial void LogNotAsked(ILogger logger, string pod, string problem);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Runtimes that nobody needs may be left: {Problem}")]
    private static partial void LogNotSwept(ILogger logger, string problem);
}
