using KernelGateway.Core.Errors;
using KernelGateway.Jupyter;

namespace KernelGateway.Provisioners.JupyterServer;

/// <summary>
/// The kernel beside those of a sandbox through which its files and commands are reached. It is started on first use, under a
/// name by which the next gateway finds it.
/// </summary>
internal sealed class UtilityKernel(JupyterApi api, string name, string kernel, Func<string, KernelClientOptions, CancellationToken, Task<KernelClient>> connect) : IDisposable
{
    private static readonly TimeSpan ReadyWithin = TimeSpan.FromSeconds(30);

    private readonly SemaphoreSlim _turn = new(1, 1);

    /// <summary>Its id in the server; <c>null</c> when there is none.</summary>
    internal Task<string?> FindAsync(CancellationToken cancellationToken) => api.FindNamedAsync(name, cancellationToken);

    /// <summary>A client that is ready; starts the kernel where there is none.</summary>
    /// <exception cref="GatewayException">The server cannot be reached, or starts no kernel.</exception>
    /// <exception cref="KernelException">The kernel does not answer.</exception>
    internal async Task<KernelClient> ConnectAsync(CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            var id = await FindAsync(cancellationToken) ?? await api.StartNamedAsync(name, kernel, cancellationToken);
            var client = await connect(id, new KernelClientOptions { ConnectTimeout = ReadyWithin }, cancellationToken);
            try
            {
                await client.WaitForReadyAsync(ReadyWithin, cancellationToken);
                return client;
            }
            catch (Exception e)
            {
                await client.DisposeAsync();
                if (e is KernelException)
                {
                    await api.DeleteAsync(id, cancellationToken); // The next call finds none, and starts another one.
                }

                throw;
            }
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Ends it, if there is one.</summary>
    internal async Task EndAsync(CancellationToken cancellationToken)
    {
        if (await FindAsync(cancellationToken) is { } id)
        {
            await api.DeleteAsync(id, cancellationToken);
        }
    }

    public void Dispose() => _turn.Dispose();
}
