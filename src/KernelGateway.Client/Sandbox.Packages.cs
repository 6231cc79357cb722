using KernelGateway.Contracts.Commands;
using KernelGateway.Contracts.Errors;

namespace KernelGateway.Client;

/// <summary>Python packages.</summary>
public sealed partial class Sandbox
{
    /// <summary>Installs Python packages with pip in the sandbox and waits for its end; kernels that run can import them at once. A code other than 0 is in the outcome, not an exception.</summary>
    /// <param name="packages">Names, with extras and versions where wanted.</param>
    /// <param name="contextId">The context whose interpreter they are for; the default one when <c>null</c>.</param>
    /// <param name="options">Callbacks for what pip prints, its time limit, and an idempotency key; nothing else of it is used.</param>
    /// <param name="cancellationToken">Ends the waiting; the installation goes on.</param>
    /// <exception cref="KernelGatewayException">
    /// <see cref="ErrorCodes.Forbidden"/>: a package is not on the gateway's list. <see cref="ErrorCodes.Conflict"/>: the sandbox may not reach the index; the message names the
    /// host. <see cref="ErrorCodes.NotSupported"/>: there is no pip, or no index.
    /// </exception>
    public Task<CommandOutcome> InstallPackagesAsync(
        IReadOnlyList<string> packages,
        string? contextId = null,
        CommandOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(packages);
        var request = new InstallPackagesRequest { Packages = packages, ContextId = contextId, TimeoutSeconds = options?.Timeout?.TotalSeconds };
        return Commands.InstallAsync("packages", request, options, cancellationToken);
    }
}
