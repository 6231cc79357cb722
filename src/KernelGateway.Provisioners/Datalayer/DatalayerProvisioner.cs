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

    private static readonly TimeSpan FirstLook = TimeSpan.FromMilliseconds(100);

    private readonly DatalayerOptions _options;
    private readonly ServerHosting _hosting;
    private readonly DatalayerSite _site;

    /// <summary>Makes the provisioner; nothing is called before it is asked for something.</summary>
    /// <param name="options">Validated settings.</param>
    /// <param name="dialler">Connects to the servers that the control plane names.</param>
    /// <param name="time">The clock.</param>
    /// <param name="log">Where to report.</param>
    public DatalayerProvisioner(IOptions<DatalayerOptions> options, GuardedDialler dialler, TimeProvider time, ILogger<DatalayerProvisioner> log)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = options.Value;
        _hosting = new ServerHosting(dialler, _options.LauncherFolder, _options.StateFolder, time, log);
        _site = new DatalayerSite(_options, _hosting, time, log);
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
            details["environments"] = string.Join(", ", (await _site.EnvironmentsAsync(cancellationToken)).Take(20).Select(one => one.Name));
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
        var place = await _site.StartAsync(spec.SandboxId, spec.Environment.Name, cancellationToken);
        var plan = new ServerHostState(spec.Environment, spec.Variables, place.Access, [], null, []);
        return await _hosting.OpenAsync(place, plan, _options.IngressTimeout, FirstLook, cancellationToken);
    }

    /// <inheritdoc/>
    public async Task<IKernelHost> ReattachAsync(HostDescription description, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(description);
        SandboxIds.Check(description.SandboxId);
        var state = ServerHostState.Read(description, VariantName);
        var place = await _site.ReopenAsync(description.SandboxId, state, cancellationToken)
            ?? throw new GatewayException(ErrorCode.KernelFailed, "The runtime of the sandbox ended while the gateway was away: its reservation is over, or it was ended.");
        return await _hosting.FindAsync(place, state with { Access = place.Access }, cancellationToken);
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<string>> RemoveOrphansAsync(IReadOnlySet<string> known, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(known);
        await _hosting.SweepCopiesAsync(known, _site.Held, cancellationToken);
        return await _site.RemoveOrphansAsync(known, cancellationToken);
    }
}
