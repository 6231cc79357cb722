using KernelGateway.Core.Environments;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;
using Microsoft.Extensions.Logging;

namespace KernelGateway.Provisioners.Launcher;

/// <summary>How a place is found, watched and ended.</summary>
internal sealed partial class LauncherHost
{
    /// <summary>Connects to the agent of a place, which belongs to the host from now on. On failure the place is removed, unless it was there before and the caller gave up.</summary>
    /// <param name="place">Where the agent runs.</param>
    /// <param name="environment">The recipe for its kernels.</param>
    /// <param name="variables">The sandbox's variables.</param>
    /// <param name="past">What is remembered of the place; <c>null</c> for a new one.</param>
    /// <param name="within">How long the agent may take to listen.</param>
    /// <param name="time">For deadlines.</param>
    /// <param name="log">Where to say what nobody awaits.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    /// <exception cref="GatewayException"><see cref="ErrorCode.KernelFailed"/>, with the place's last words.</exception>
    internal static async Task<LauncherHost> AdoptAsync(
        LauncherPlace place,
        EnvironmentDefinition environment,
        IReadOnlyDictionary<string, string> variables,
        LauncherState? past,
        TimeSpan within,
        TimeProvider time,
        ILogger log,
        CancellationToken cancellationToken)
    {
        var host = new LauncherHost(place, environment, variables, time, log);
        try
        {
            await host.ConnectAsync(past, within, cancellationToken);
            return host;
        }
        catch (Exception error)
        {
            if (past is not null && cancellationToken.IsCancellationRequested)
            {
                // Still there for the next who tries.
                place.Dispose();
                throw;
            }

            throw await host.AbandonAsync(error);
        }
    }

    /// <summary>Opens a place that was to live on while the gateway was away; what is left of one that has gone is removed.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.KernelFailed"/>: it has gone, or its files have.</exception>
    internal static async Task<LauncherPlace> ReopenAsync(Func<LauncherPlace?> reopen, Func<Task> remove)
    {
        LauncherPlace? place;
        try
        {
            place = reopen();
        }
        catch (IOException e)
        {
            await remove();
            throw new GatewayException(ErrorCode.KernelFailed, $"Files of the sandbox were removed while the gateway was away: {e.Message}", inner: e);
        }

        return place ?? throw await GoneAsync(remove);
    }

    /// <summary>Removes what is left of a place that was to be found again, and says that it has gone.</summary>
    internal static async Task<GatewayException> GoneAsync(Func<Task> remove)
    {
        const string Gone = "The sandbox ended while the gateway was away.";
        try
        {
            await remove();
        }
        catch (IOException error)
        {
            return new GatewayException(ErrorCode.KernelFailed, $"{Gone} Besides, not all of it could be removed: {error.Message}", inner: error);
        }

        return new GatewayException(ErrorCode.KernelFailed, Gone);
    }

    private async Task ConnectAsync(LauncherState? past, TimeSpan within, CancellationToken cancellationToken)
    {
        _oomSeen = past?.OomKills ?? 0;
        foreach (var record in past?.Kernels ?? [])
        {
            // Before the connection: its first event may be about one of them.
            _kernels[record.Id] = new LauncherKernel(this, record, _place, _launched++);
        }

        if (past is not null && IsPaused)
        {
            _asleep = past;
        }
        else
        {
            await TakeUpAsync(past, within, cancellationToken);
        }

        _watching = WatchAsync();
    }

    private async Task TakeUpAsync(LauncherState? past, TimeSpan within, CancellationToken cancellationToken)
    {
        if (_client is null)
        {
            var (socket, pid) = await AgentSocket.ConnectAsync(_place.Sockets, _place.Uid, _place.Gone, within, _time, cancellationToken);
            _client = new LauncherClient(socket, pid, KernelEnded, _time, CommandActivity);
            _connected.TrySetResult(_client);
        }

        if (past is not null)
        {
            await RestoreAsync(past.Kernels, cancellationToken);
        }
    }

    private async ValueTask DisconnectAsync()
    {
        _connected.TrySetResult(null);
        if (_client is not null)
        {
            await _client.DisposeAsync();
        }
    }

    /// <summary>Removes a place that could not be used, and says why in its own words.</summary>
    private async Task<Exception> AbandonAsync(Exception error)
    {
        var words = error is GatewayException ? _place.LastWords() : "";
        try
        {
            await DisconnectAsync();
            await _place.KillAsync();
            await _place.RemoveAsync();
        }
        catch (IOException second)
        {
            return new GatewayException(ErrorCode.KernelFailed, $"{error.Message} Besides, not all of the sandbox could be removed: {second.Message}", inner: error);
        }
        finally
        {
            _place.Dispose();
        }

        return words.Length > 0 ? new GatewayException(ErrorCode.KernelFailed, $"{error.Message} Its last words: {words}", inner: error) : error;
    }

    private async Task RestoreAsync(IReadOnlyList<KernelRecord> records, CancellationToken cancellationToken)
    {
        var found = new Dictionary<string, AgentKernel>();
        var hello = await Client.HelloAsync(cancellationToken);
        _commandsFound = [.. hello.Commands.Select(command => command.Command)];
        foreach (var command in hello.Commands.Where(command => command.SaidAll))
        {
            CommandActivity(command.Command, saidAll: true);
        }

        if (hello.Held)
        {
            await LetGoOnAsync();
        }

        foreach (var kernel in hello.Kernels)
        {
            found[kernel.Kernel] = kernel;
        }

        foreach (var record in records)
        {
            if (record.Exit is { } past)
            {
                _kernels[record.Id].EndAgain(past);
            }
            else if (!found.TryGetValue(record.Id, out var kernel))
            {
                _kernels[record.Id].EndAgain(new KernelExit("lost", "The kernel ended while the gateway was away, and how is not known.", null, null, null));
            }
            else if (kernel.End is { } end)
            {
                KernelEnded(record.Id, end);
            }
        }

        foreach (var kernel in found.Values.Where(kernel => kernel.Running && !_kernels.ContainsKey(kernel.Kernel)))
        {
            // Launched, and the gateway ended before it had stored the key: nobody can ever talk to it.
            await KillUnwantedAsync(kernel.Kernel);
        }
    }

    /// <summary>Waits for the end of the place and says why; kills what is left of one that has lost its agent.</summary>
    private async Task WatchAsync()
    {
        var closed = WhenClosedAsync();
        await Task.WhenAny(closed, _place.Gone);
        if (_released)
        {
            return;
        }

        // Either may be seen first. What the agent said last is taken before the kernels are told.
        var both = Task.WhenAll(closed, _place.Gone);
        await Task.WhenAny(both, Task.Delay(Settling, _time, CancellationToken.None));
        var lost = !_place.Gone.IsCompleted;
        try
        {
            await _place.KillAsync();
        }
        catch (IOException error)
        {
            LogNotKilled(_log, _place.SandboxId, error.Message);
        }

        var told = lost || _terminating ? null : await _place.AskForEndAsync();
        var exit = Explain(lost, closed.IsCompleted ? await closed : "", told);
        LogEnded(_log, _place.SandboxId, exit.Reason, exit.Message);
        _exited.TrySetResult(exit);
        await _files.CloseAsync();
        foreach (var kernel in _kernels.Values)
        {
            kernel.EndWithPlace(exit);
        }
    }

    private HostExit Explain(bool lost, string closed, HostExit? told)
    {
        if (_terminating)
        {
            return new HostExit("terminated", "The sandbox was ended on request.");
        }

        if (TakeOom())
        {
            return new HostExit("oom", "The sandbox was ended because it was out of memory.");
        }

        if (lost)
        {
            return new HostExit("lost", $"The sandbox could not be controlled any more and was ended. {closed}");
        }

        if (told is not null)
        {
            return told;
        }

        var words = _place.LastWords();
        return new HostExit("died", words.Length > 0
            ? $"The first process of the sandbox ended unexpectedly. Its last words: {words}"
            : "The first process of the sandbox ended unexpectedly.");
    }

    private async Task EndAsync(TimeSpan grace)
    {
        // First of all: what is open would keep the place's file systems from being removed.
        await _files.CloseAsync();
        if (grace > TimeSpan.Zero && !_place.Gone.IsCompleted && _kernels.Values.Any(kernel => !kernel.Exited.IsCompleted))
        {
            try
            {
                if (IsPaused)
                {
                    await ResumeAsync(CancellationToken.None); // Nobody ends by himself who stands still.
                }

                await Client.ShutdownAsync(grace, CancellationToken.None);
                await _place.Gone.WaitAsync(grace + Settling, _time);
            }
            catch (Exception error) when (error is GatewayException or TimeoutException)
            {
                // Not in a friendly way, then.
                LogNoGrace(_log, _place.SandboxId, error.Message);
            }
        }

        if (_client is null)
        {
            _connected.TrySetResult(null); // Found paused, and ended so.
        }

        await _place.KillAsync();
        await _watching;
        await _place.RemoveAsync();
        await DisconnectAsync();
        _place.Dispose();
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Sandbox {SandboxId} ended: {Reason}. {Explanation}")]
    private static partial void LogEnded(ILogger logger, string sandboxId, string reason, string explanation);

    [LoggerMessage(Level = LogLevel.Warning, Message = "What is left of sandbox {SandboxId} could not be killed: {Problem}")]
    private static partial void LogNotKilled(ILogger logger, string sandboxId, string problem);

    [LoggerMessage(Level = LogLevel.Information, Message = "Sandbox {SandboxId} did not end by itself and is killed: {Problem}")]
    private static partial void LogNoGrace(ILogger logger, string sandboxId, string problem);
}
