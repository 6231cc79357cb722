using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;

namespace KernelGateway.Provisioners.JupyterServer;

/// <summary>How it and its kernels end.</summary>
internal sealed partial class ServerHost
{
    // A server ends a kernel that does not want to end after five seconds; nobody need wait for that.
    private static readonly TimeSpan EndPatience = TimeSpan.FromSeconds(2);

    // One that a server is just starting again outlives its end.
    private const int MostTries = 20;
    private static readonly TimeSpan EndAgain = TimeSpan.FromMilliseconds(250);

    public Task TerminateAsync(TimeSpan grace, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(grace, TimeSpan.Zero);
        lock (_gate)
        {
            if (_ending is null || _ending.IsFaulted)
            {
                ObjectDisposedException.ThrowIf(_released.IsCancellationRequested && _ending is null, this);

                // Not bound to the caller's token: what has begun to end is ended.
                _ending = Task.Run(() => EndAsync(grace), CancellationToken.None);
            }

            return _ending.WaitAsync(cancellationToken);
        }
    }

    /// <summary>Lets go of the place. Its tasks that have not completed never will.</summary>
    public async ValueTask DisposeAsync()
    {
        await _released.CancelAsync();
        Task? ending;
        lock (_gate)
        {
            ending = _ending;
        }

        if (ending is not null)
        {
            // Its failure was for who asked for the end.
            await ending.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await _watching;
        await CloseReachAsync();
        _utility.Dispose();
        _http.Dispose();
        _place.Dispose();
    }

    /// <summary>Has the server end a kernel of ours, and waits for it for a moment; one that was adopted is left alone.</summary>
    internal async Task EndKernelAsync(HostedServerKernel kernel)
    {
        if (!kernel.IsAdopted)
        {
            await Task.WhenAny(EndUnwantedAsync(kernel.ServerId), Task.Delay(EndPatience, _time));
        }
    }

    private async Task EndAsync(TimeSpan grace)
    {
        string? left = null;
        if (!_place.IsOwn)
        {
            var ended = await Task.WhenAll(_kernels.Values.Where(kernel => !kernel.IsGone && !kernel.IsAdopted).Select(EndInServerAsync));
            left = ended.FirstOrDefault(problem => problem is not null);
        }

        if (!_place.EndsItsProcesses && (grace > TimeSpan.Zero || !_place.IsOwn))
        {
            await EndReachAsync(grace);
        }

        await CloseReachAsync();

        await _place.EndAsync(grace);
        await _place.Reach.RemoveAsync(_place.SandboxId, _time);
        const string Ended = "The sandbox was ended on request.";
        EndKernels(new KernelExit("terminated", Ended, null, null, null));
        _exited.TrySetResult(new HostExit("terminated", Ended));
        await _released.CancelAsync();
        if (left is not null)
        {
            throw new IOException($"A kernel may be left in the server: {left}");
        }
    }

    /// <returns>What went wrong; <c>null</c> when nothing did.</returns>
    private async Task<string?> EndInServerAsync(HostedServerKernel kernel)
    {
        try
        {
            for (var tries = 0; tries < MostTries; tries++)
            {
                await _api.DeleteAsync(kernel.ServerId, CancellationToken.None);
                if (await _api.FindAsync(kernel.ServerId, CancellationToken.None) is null)
                {
                    return null;
                }

                await Task.Delay(EndAgain, _time);
            }

            return $"The server does not end the kernel {kernel.ServerId}.";
        }
        catch (GatewayException e)
        {
            return e.Message;
        }
    }

    private void EndKernels(KernelExit exit)
    {
        foreach (var kernel in _kernels.Values)
        {
            kernel.End(exit);
        }
    }
}
