using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;
using Microsoft.Extensions.Logging;

namespace KernelGateway.Core.Sandboxes;

/// <summary>The variants that this gateway has, and which of them can do what, so that a refusal can name those.</summary>
internal sealed partial class Variants
{
    private readonly Dictionary<string, IKernelProvisioner> _byName;
    private readonly string _default;
    private readonly ILogger _logger;

    public Variants(IEnumerable<IKernelProvisioner> provisioners, SandboxOptions options, ILogger logger)
    {
        _byName = provisioners.ToDictionary(p => p.Name, StringComparer.Ordinal);
        _default = VariantName.Normalize(options.DefaultVariant);
        _logger = logger;
    }

    /// <summary>All of them by canonical name.</summary>
    public IReadOnlyDictionary<string, IKernelProvisioner> ByName => _byName;

    public IEnumerable<IKernelProvisioner> All => _byName.Values;

    public IKernelProvisioner? Find(string name) => _byName.GetValueOrDefault(name);

    /// <exception cref="GatewayException"><see cref="ErrorCode.NotSupported"/>: this gateway does not have it.</exception>
    public IKernelProvisioner Get(string name) => Find(name)
        ?? throw new GatewayException(ErrorCode.NotSupported, $"The variant '{name}' is not available in this gateway. Available: {string.Join(", ", _byName.Keys)}.", "variant");

    /// <summary>The names of those that can.</summary>
    public List<string> That(Func<IKernelProvisioner, bool> can) => [.. All.Where(can).Select(p => p.Name)];

    /// <summary>The names of those whose places have an optional power.</summary>
    public List<string> With<TPower>() => That(p => p.Powers.Contains(typeof(TPower)));

    /// <summary>The names of those that can enforce a network policy.</summary>
    public List<string> Confining() => That(p => p.ConfinesNetwork);

    /// <summary>Looks whether each can be used, so that the log says it and the first caller need not wait for it.</summary>
    public async Task CheckAsync(CancellationToken cancellationToken)
    {
        foreach (var (name, provisioner) in _byName)
        {
            var readiness = await provisioner.CheckAsync(cancellationToken);
            if (readiness.Ready)
            {
                LogVariantReady(_logger, name, string.Join(", ", readiness.Details.Select(d => $"{d.Key} {d.Value}")));
            }
            else
            {
                // The others are mostly those that nobody has switched on.
                LogVariantNotReady(_logger, name == _default ? LogLevel.Warning : LogLevel.Information, name, readiness.Reason ?? "");
            }
        }
    }

    [LoggerMessage(LogLevel.Information, "Variant {Variant} is ready: {Details}")]
    private static partial void LogVariantReady(ILogger logger, string variant, string details);

    [LoggerMessage(Message = "Variant {Variant} cannot be used: {Reason}")]
    private static partial void LogVariantNotReady(ILogger logger, LogLevel level, string variant, string reason);
}
