using KernelGateway.Client.Http;
using KernelGateway.Contracts.Errors;
using KernelGateway.Contracts.Sandboxes;

namespace KernelGateway.Client;

/// <summary>What can be changed while the sandbox lives, and what it uses.</summary>
public sealed partial class Sandbox
{
    /// <summary>Changes what the request names, all of it or nothing; also updates <see cref="Info"/>.</summary>
    /// <param name="request">What shall change; what is <c>null</c> stays.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KernelGatewayException">
    /// <see cref="ErrorCodes.InvalidArgument"/>: a value is wrong. <see cref="ErrorCodes.Conflict"/>: the host refuses, for example because more memory
    /// is in use, or the sandbox has ended. <see cref="ErrorCodes.NotSupported"/>: the variant cannot change limits.
    /// </exception>
    public async Task<SandboxInfo> UpdateAsync(UpdateSandboxRequest request, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        // Sent twice, it moves an end that counts from now by the time in between, which is what was asked for.
        return _info = await _client.Http.UpdateSandboxAsync(Id, request, Repeat.Always, cancellationToken);
    }

    /// <summary>Moves the end of the sandbox's lifetime.</summary>
    /// <param name="remaining">How long it may live from now on; <see cref="Timeout.InfiniteTimeSpan"/>: as long as it is used.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KernelGatewayException">As <see cref="UpdateAsync"/>.</exception>
    public Task<SandboxInfo> SetTimeoutAsync(TimeSpan remaining, CancellationToken cancellationToken = default) => UpdateAsync(
        remaining == Timeout.InfiniteTimeSpan ? new UpdateSandboxRequest { LifetimeSeconds = 0 } : new UpdateSandboxRequest { ExpiresInSeconds = remaining.TotalSeconds },
        cancellationToken);

    /// <summary>Changes what the sandbox may use; what is <c>null</c> stays.</summary>
    /// <param name="cpu">Processor cores.</param>
    /// <param name="memoryMb">Memory, MiB.</param>
    /// <param name="pids">Processes and threads.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KernelGatewayException">As <see cref="UpdateAsync"/>.</exception>
    public Task<SandboxInfo> SetLimitsAsync(double? cpu = null, long? memoryMb = null, int? pids = null, CancellationToken cancellationToken = default) =>
        UpdateAsync(new UpdateSandboxRequest { Cpu = cpu, MemoryMb = memoryMb, Pids = pids }, cancellationToken);

    /// <summary>Sets tags, and removes those whose value is <c>null</c>; others stay.</summary>
    /// <param name="tags">The changes.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KernelGatewayException">As <see cref="UpdateAsync"/>.</exception>
    public Task<SandboxInfo> SetTagsAsync(IReadOnlyDictionary<string, string?> tags, CancellationToken cancellationToken = default) =>
        UpdateAsync(new UpdateSandboxRequest { Tags = tags }, cancellationToken);

    /// <summary>Gives the sandbox another name.</summary>
    /// <param name="name">1 to 64 characters.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KernelGatewayException">As <see cref="UpdateAsync"/>.</exception>
    public Task<SandboxInfo> RenameAsync(string name, CancellationToken cancellationToken = default) =>
        UpdateAsync(new UpdateSandboxRequest { Name = name }, cancellationToken);

    /// <summary>Reads what the sandbox uses and has used.</summary>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KernelGatewayException"><see cref="ErrorCodes.NotSupported"/>: the variant does not count. <see cref="ErrorCodes.Conflict"/>: it has ended.</exception>
    public Task<SandboxUsage> GetUsageAsync(CancellationToken cancellationToken = default) =>
        _client.Http.GetUsageAsync(Id, cancellationToken);
}
