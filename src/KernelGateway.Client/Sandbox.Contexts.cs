using KernelGateway.Client.Http;
using KernelGateway.Contracts.Errors;
using KernelGateway.Contracts.Sandboxes;

namespace KernelGateway.Client;

/// <summary>Its contexts: kernels with namespaces and queues of their own. Runs of different contexts go on at the same time.</summary>
public sealed partial class Sandbox
{
    /// <summary>Starts another kernel in the sandbox and waits until it is ready. Run code in it with <see cref="RunCodeOptions.ContextId"/>.</summary>
    /// <param name="request">Name, folder, variables and language; <c>null</c> for one like the default context.</param>
    /// <param name="cancellationToken">Cancels the waiting.</param>
    /// <exception cref="KernelGatewayException">
    /// <see cref="ErrorCodes.InvalidArgument"/>: a value is wrong, or there is no kernel for the language. <see cref="ErrorCodes.LimitReached"/>: there
    /// are as many as there may be. <see cref="ClientErrorCodes.ConnectionLost"/>: it may have been made; <see cref="ListContextsAsync"/> says.
    /// </exception>
    public Task<ContextInfo> CreateContextAsync(CreateContextRequest? request = null, CancellationToken cancellationToken = default) =>
        _client.Http.CreateContextAsync(Id, request ?? new CreateContextRequest(), cancellationToken);

    /// <summary>Lists the contexts; the first is the default one.</summary>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KernelGatewayException">The gateway refused or could not be reached.</exception>
    public Task<IReadOnlyList<ContextInfo>> ListContextsAsync(CancellationToken cancellationToken = default) =>
        _client.Http.ListContextsAsync(Id, cancellationToken);

    /// <summary>Ends a context's kernel, cancels its runs and forgets it; what they said can still be read.</summary>
    /// <param name="contextId">The context; not the default one.</param>
    /// <param name="cancellationToken">Cancels the waiting.</param>
    /// <exception cref="KernelGatewayException"><see cref="ErrorCodes.ContextNotFound"/>: there is none of that id. <see cref="ErrorCodes.Conflict"/>: it is the default one.</exception>
    public Task RemoveContextAsync(string contextId, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(contextId);
        return _client.Http.RemoveContextAsync(Id, contextId, cancellationToken);
    }
}
