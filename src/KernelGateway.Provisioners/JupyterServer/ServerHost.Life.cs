using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;
using Microsoft.Extensions.Logging;

namespace KernelGateway.Provisioners.JupyterServer;

/// <summary>How it and its kernels end.</summary>
internal sealed partial class ServerHost
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(3);

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

    /// <summary>Looks at the kernels now and then: their server does not tell when one is gone.</summary>
    private async Task WatchAsync()
    {
        try
        {
            while (true)
            {
                await Task.WhenAny(_place.Gone, Task.Delay(LookEvery, _time, _released.Token));
                _released.Token.ThrowIfCancellationRequested();
                if (!_place.Gone.IsCompleted)
                {
                    await _place.LookAsync(_released.Token);
                }

                if (_place.Gone.IsCompleted)
                {
                    await BreakAsync();
                    return;
                }

                foreach (var kernel in _kernels.Values.Where(kernel => !kernel.IsGone && !(kernel.IsAdopted && kernel.Exited.IsCompleted)))
                {
                    await LookAtAsync(kernel);
                }

                foreach (var old in _kernels.Values.Where(kernel => kernel.Exited.IsCompleted).OrderBy(kernel => kernel.Id.Length).ThenBy(kernel => kernel.Id, StringComparer.Ordinal).SkipLast(MaxEnded))
                {
                    _kernels.TryRemove(old.Id, out _);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // It was let go, or is being ended.
        }
    }

    private async Task LookAtAsync(HostedServerKernel kernel)
    {
        try
        {
            var state = await _api.FindAsync(kernel.ServerId, _released.Token);
            kernel.IsGone = state is null;
            if (kernel.Exited.IsCompleted && !kernel.IsGone)
            {
                await _api.DeleteAsync(kernel.ServerId, _released.Token); // The server was just starting it again when it was to be ended.
            }
            else if (state is null or "dead")
            {
                kernel.End(new KernelExit("lost", "The kernel is not in its server any more: it ended, was ended there, or the server was started anew.", null, null, null));
            }
        }
        catch (GatewayException)
        {
            // The server is away for a while. Its kernels' connections are tried again, and say when it is too long.
        }
    }

    /// <summary>The server has gone by itself, and with it everything in it.</summary>
    private async Task BreakAsync()
    {
        lock (_gate)
        {
            if (_ending is not null)
            {
                return;
            }
        }

        var exit = new HostExit("died", _place.WhyGone);
        try
        {
            await CloseReachAsync();
            await _place.EndAsync(TimeSpan.Zero);
            await _place.Reach.RemoveAsync(_place.SandboxId, _time);
        }
        catch (IOException e)
        {
            LogLeft(_log, _place.SandboxId, e.Message);
        }

        LogEnded(_log, _place.SandboxId, exit.Message);
        EndKernels(new KernelExit("lost", exit.Message, null, null, null));
        _exited.TrySetResult(exit);
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

    [LoggerMessage(Level = LogLevel.Information, Message = "Sandbox {SandboxId} ended: {Explanation}")]
    private static partial void LogEnded(ILogger logger, string sandboxId, string explanation);

    [LoggerMessage(Level = LogLevel.Warning, Message = "What is left of sandbox {SandboxId} could not be removed: {Problem}")]
    private static partial void LogLeft(ILogger logger, string sandboxId, string problem);
}
