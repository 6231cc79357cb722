using System.Globalization;
using KernelGateway.Contracts.Commands;
using KernelGateway.Core.Commands;
using KernelGateway.Core.Egress;
using KernelGateway.Core.Environments;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Policies;
using KernelGateway.Core.Sandboxes;
using Microsoft.Extensions.Options;

namespace KernelGateway.Core.Packages;

/// <summary>Installs packages into sandboxes, by pip or the system's package manager in the sandbox itself. What a package needs comes with it, whether or not it is on the list.</summary>
/// <param name="options">Validated settings.</param>
/// <param name="network">What sandboxes may reach.</param>
public sealed class PackageInstaller(IOptions<PackageOptions> options, NetworkGuard network)
{
    /// <summary>The packages that can be asked for in an environment; <c>*</c> stands for all.</summary>
    public IReadOnlyList<string> AllowedIn(EnvironmentDefinition environment)
    {
        ArgumentNullException.ThrowIfNull(environment);
        return [.. options.Value.Allowed.Concat(environment.Packages).Distinct(StringComparer.OrdinalIgnoreCase).Order(StringComparer.OrdinalIgnoreCase)];
    }

    /// <summary>Starts an installation of Python packages; returns when pip runs.</summary>
    /// <exception cref="GatewayException">
    /// <see cref="ErrorCode.InvalidArgument"/> or <see cref="ErrorCode.Forbidden"/>: a package is none, or is not on the list. <see cref="ErrorCode.Conflict"/>:
    /// the sandbox may not reach the index; the message names the host. <see cref="ErrorCode.NotSupported"/>: no index is configured, or there is no pip.
    /// </exception>
    public async Task<Command> InstallAsync(Sandbox sandbox, InstallPackagesRequest request)
    {
        ArgumentNullException.ThrowIfNull(sandbox);
        ArgumentNullException.ThrowIfNull(request);
        var settings = options.Value;
        var requirements = PackageNames.Check(request.Packages, AllowedIn(sandbox.Environment), settings.MaxPackages);
        if (settings.IndexUrl.Length == 0)
        {
            throw new GatewayException(ErrorCode.NotSupported, $"This gateway has no index to install packages from. Only the operator can name one, with {PackageOptions.Section}:{nameof(PackageOptions.IndexUrl)}.");
        }

        var index = new Uri(settings.IndexUrl);
        DemandReachable(sandbox, index);
        List<string> arguments =
        [
            // Not what code in the sandbox has written into pip's settings.
            "--isolated", "--no-input", "--disable-pip-version-check", "--no-color", "--progress-bar", "off", "--no-cache-dir", "--no-warn-script-location", "--upgrade",
            "--index-url", settings.IndexUrl,
        ];
        if (index.Scheme == "http")
        {
            arguments.AddRange(["--trusted-host", index.Authority]);
        }

        return await sandbox.InstallPackagesAsync(request.ContextId, arguments, requirements, request.TimeoutSeconds ?? settings.DefaultTimeoutSeconds, request.IdempotencyKey);
    }

    /// <summary>Starts an installation of packages of the system, where the variant lets a sandbox change it; returns when it runs.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.InvalidArgument"/>: a package is none. <see cref="ErrorCode.NotSupported"/>: the variant cannot; the message says why, and the way out.</exception>
    public Task<Command> InstallSystemAsync(Sandbox sandbox, InstallSystemPackagesRequest request)
    {
        ArgumentNullException.ThrowIfNull(sandbox);
        ArgumentNullException.ThrowIfNull(request);
        var arguments = SystemPackages.Arguments(request.Packages, request.Manager, options.Value.MaxPackages);
        return sandbox.InstallSystemPackagesAsync(arguments, request.TimeoutSeconds ?? options.Value.DefaultTimeoutSeconds, request.IdempotencyKey);
    }

    private void DemandReachable(Sandbox sandbox, Uri index)
    {
        var rules = network.Compile(sandbox.Record.Network);
        foreach (var host in options.Value.FileHosts.Prepend(string.Create(CultureInfo.InvariantCulture, $"{index.Host}:{index.Port}")))
        {
            if (Destination.TryParse(host, 443, out var destination, out _) && rules.Decide(destination) is { Allowed: false } denied)
            {
                throw new GatewayException(
                    ErrorCode.Conflict,
                    $"The sandbox may not reach {destination}, which packages come from ({denied.Rule}). {denied.Hint} PUT /api/v1/sandboxes/{sandbox.Id}/network changes what it may reach.");
            }
        }
    }
}
