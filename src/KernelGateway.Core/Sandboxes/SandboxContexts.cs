using KernelGateway.Core.Errors;
using KernelGateway.Core.Kernels;

namespace KernelGateway.Core.Sandboxes;

/// <summary>The live contexts of one sandbox; the first is the default one. Changed under the sandbox's <c>_life</c> only, read anywhere.</summary>
internal sealed class SandboxContexts
{
    private volatile KernelSession[] _all = [];

    public IReadOnlyList<KernelSession> All => _all;

    public int Count => _all.Length;

    /// <summary>Whether something runs or waits in any of them.</summary>
    public bool AreBusy => _all.Any(session => session.IsBusy);

    public void Add(KernelSession session) => _all = [.. _all, session];

    public void Remove(KernelSession session) => _all = [.. _all.Where(other => other != session)];

    public KernelSession? TryFind(string? contextId) =>
        contextId is null ? _all.FirstOrDefault() : _all.FirstOrDefault(session => session.Id == contextId);

    /// <exception cref="GatewayException"><see cref="ErrorCode.ContextNotFound"/>.</exception>
    public KernelSession Find(string? contextId) => TryFind(contextId)
        ?? throw new GatewayException(ErrorCode.ContextNotFound, "This sandbox has no context of that id. A GET of its contexts lists them.", "contextId");

    public void CancelAll(string code, string reason, bool onPurpose)
    {
        foreach (var session in _all)
        {
            session.CancelAll(code, reason, onPurpose);
        }
    }

    /// <summary>Completes when all kernels have ended and what they said is in the journal.</summary>
    public Task WaitForEndsAsync(CancellationToken cancellationToken) =>
        Task.WhenAll(_all.Select(session => session.WaitForEndAsync(cancellationToken)));

    /// <summary>Lets go of all kernels and leaves them running.</summary>
    public async Task ReleaseAsync()
    {
        foreach (var session in _all)
        {
            await session.DisposeAsync();
        }
    }
}
