using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;
using Microsoft.Extensions.Logging;

namespace KernelGateway.Provisioners.JupyterServer;

/// <summary>How it learns that its kernels, or all of it, have gone.</summary>
internal sealed partial class ServerHost
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(3);

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

    [LoggerMessage(Level = LogLevel.Information, Message = "Sandbox {SandboxId} ended: {Explanation}")]
    private static partial void LogEnded(ILogger logger, string sandboxId, string explanation);

    [LoggerMessage(Level = LogLevel.Warning, Message = "What is left of sandbox {SandboxId} could not be removed: {Problem}")]
    private static partial void LogLeft(ILogger logger, string sandboxId, string problem);
}
