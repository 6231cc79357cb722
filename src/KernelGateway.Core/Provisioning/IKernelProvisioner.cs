using KernelGateway.Core.Environments;
using KernelGateway.Core.Errors;

namespace KernelGateway.Core.Provisioning;

/// <summary>Makes places for kernels to live in. Stateless: everything a place needs to be found again is in its <see cref="HostDescription"/>.</summary>
public interface IKernelProvisioner
{
    /// <summary>The canonical variant name, for example <c>local</c>.</summary>
    string Name { get; }

    /// <summary>True when its places have no network but the door of <see cref="IKernelHost.Egress"/>, so that a network policy can be enforced.</summary>
    bool ConfinesNetwork => false;

    /// <summary>True when it can give folders of the host to its places under the rules of <see cref="Policies.MountRules"/>.</summary>
    bool MountsHostFolders => false;

    /// <summary>The images that a caller may choose by name; <c>null</c> when its places do not run on images that can be chosen.</summary>
    IReadOnlyCollection<string>? SelectableImages => null;

    /// <summary>False when nobody holds its places to <see cref="HostSpec.Limits"/>, so that a limit that is asked for must be refused.</summary>
    bool EnforcesLimits => true;

    /// <summary>True when its places can be in a server that the caller names, <see cref="HostSpec.Server"/>.</summary>
    bool TakesServers => false;

    /// <summary>The optional powers that its places have, for example <see cref="ILimitable"/>; so that a refusal can name the variants that can.</summary>
    IReadOnlyCollection<Type> Powers => [];

    /// <summary>Says whether this variant can be used on this host now and, if not, what is missing.</summary>
    Task<ProvisionerReadiness> CheckAsync(CancellationToken cancellationToken);

    /// <summary>Makes a new place, ready to launch kernels. On failure nothing is left behind.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.HostNotReady"/> or <see cref="ErrorCode.KernelFailed"/>, with what the runtime said.</exception>
    Task<IKernelHost> ProvisionAsync(HostSpec spec, CancellationToken cancellationToken);

    /// <summary>Finds a place again after a restart of the gateway, with its kernels still running.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.KernelFailed"/> when the place is gone; the message says why. What was left of it is removed.</exception>
    Task<IKernelHost> ReattachAsync(HostDescription description, CancellationToken cancellationToken);

    /// <summary>What a new place of an environment would run on: <c>host</c>, or an image by name and digest; <c>null</c> where that is not known.</summary>
    string? SystemOf(string environment) => null;

    /// <summary>The environments that its service has; <c>null</c> where places are made of those of the gateway.</summary>
    /// <exception cref="GatewayException">The service cannot be used; the message says why, and the way out.</exception>
    Task<IReadOnlyList<EnvironmentDefinition>?> EnvironmentsAsync(CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<EnvironmentDefinition>?>(null);

    /// <summary>What is known beforehand of an environment that the gateway does not have and the service may have; <c>null</c> where there is no service. The service is not asked.</summary>
    EnvironmentDefinition? EnvironmentOf(string name) => null;

    /// <summary>Removes places made by this gateway (same data folder) whose sandbox id is not in <paramref name="known"/>.</summary>
    /// <returns>The sandbox ids that were removed.</returns>
    Task<IReadOnlyList<string>> RemoveOrphansAsync(IReadOnlySet<string> known, CancellationToken cancellationToken);
}

/// <summary>Whether a variant can be used, and the reason when it cannot.</summary>
/// <param name="Ready">True when a sandbox can be made.</param>
/// <param name="Reason">What is missing and how to get it; <c>null</c> when ready.</param>
/// <param name="Details">Facts worth showing: runtime and its version, cgroup version, …</param>
public sealed record ProvisionerReadiness(bool Ready, string? Reason, IReadOnlyDictionary<string, string> Details);
