using KernelGateway.Client.Http;
using KernelGateway.Contracts.Errors;
using KernelGateway.Contracts.Sandboxes;

namespace KernelGateway.Client;

/// <summary>Standing still and going on.</summary>
public sealed partial class Sandbox
{
    /// <summary>Stops everything in the sandbox where it stands, until it is resumed; its memory stays in use. Also updates <see cref="Info"/>.</summary>
    /// <param name="autoResume">Whether the next run, command or question resumes it instead of being refused; as it was created when <c>null</c>.</param>
    /// <param name="cancellationToken">Cancels the waiting.</param>
    /// <exception cref="KernelGatewayException"><see cref="ErrorCodes.NotSupported"/>: the variant cannot; <see cref="ErrorCodes.Conflict"/>: the sandbox has ended, or a run is being stopped.</exception>
    public async Task<SandboxInfo> PauseAsync(bool? autoResume = null, CancellationToken cancellationToken = default) =>
        _info = await _client.Http.PauseAsync(Id, new PauseRequest { AutoResume = autoResume }, cancellationToken);

    /// <summary>Lets a paused sandbox go on; does nothing to one that runs. Also updates <see cref="Info"/>.</summary>
    /// <param name="cancellationToken">Cancels the waiting.</param>
    /// <exception cref="KernelGatewayException"><see cref="ErrorCodes.Conflict"/>: the sandbox has ended.</exception>
    public async Task<SandboxInfo> ResumeAsync(CancellationToken cancellationToken = default) =>
        _info = await _client.Http.ResumeAsync(Id, cancellationToken);
}
