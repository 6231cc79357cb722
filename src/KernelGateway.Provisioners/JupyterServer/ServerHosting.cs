using KernelGateway.Core.Egress;
using KernelGateway.Core.Errors;
using Microsoft.Extensions.Logging;

namespace KernelGateway.Provisioners.JupyterServer;

/// <summary>Opens places whose kernels live in a Jupyter Server, when it is known where that is; the same for every variant.</summary>
internal sealed partial class ServerHosting
{
    private readonly ServerDialler _dialler;
    private readonly TimeProvider _time;
    private readonly ILogger _log;

    /// <param name="dialler">Connects to servers that somebody else than the operator names.</param>
    /// <param name="launcherFolder">The folder <c>kernel-images/launcher</c>.</param>
    /// <param name="stateFolder">The folder of the variant's state.</param>
    /// <param name="time">The clock.</param>
    /// <param name="log">Where to report.</param>
    internal ServerHosting(GuardedDialler dialler, string launcherFolder, string stateFolder, TimeProvider time, ILogger log)
    {
        _dialler = new ServerDialler(dialler);
        Reach = new ServerReach(launcherFolder, stateFolder);
        _time = time;
        _log = log;
    }

    /// <summary>What all its places are reached with.</summary>
    internal ServerReach Reach { get; }

    /// <summary>Makes what connects to a server of the operator's.</summary>
    internal HttpMessageInvoker Dial() => _dialler.Open(null, false);

    /// <summary>Waits until the server of a new place answers; when it does not, the place is ended.</summary>
    /// <param name="place">The place, whose owner this becomes.</param>
    /// <param name="plan">What kernels are to be like.</param>
    /// <param name="within">How long it may take.</param>
    /// <param name="firstLook">How long it takes at the least, if all goes well.</param>
    /// <param name="cancellationToken">Gives up.</param>
    internal async Task<ServerHost> OpenAsync(ServerPlace place, ServerHostState plan, TimeSpan within, TimeSpan firstLook, CancellationToken cancellationToken)
    {
        var http = Dial(place);
        try
        {
            var ready = new JupyterApi(http, place.Access, _time).WaitAsync(within, firstLook, cancellationToken);
            if (await Task.WhenAny(ready, place.Gone) != ready)
            {
                throw new GatewayException(ErrorCode.KernelFailed, place.WhyGone);
            }

            await ready;
            return new ServerHost(place, plan, http, _time, _log);
        }
        catch
        {
            http.Dispose();
            await GiveUpAsync(place);
            throw;
        }
    }

    /// <summary>Ends a place that nobody will use.</summary>
    internal async Task GiveUpAsync(ServerPlace place)
    {
        try
        {
            await place.EndAsync(TimeSpan.Zero);
        }
        catch (IOException e)
        {
            LogLeft(_log, place.SandboxId, e.Message);
        }
        finally
        {
            place.Dispose();
        }
    }

    /// <summary>Finds a place again, with what was started in it.</summary>
    internal Task<ServerHost> FindAsync(ServerPlace place, ServerHostState state, CancellationToken cancellationToken) =>
        ServerHost.FindAsync(place, state, Dial(place), _time, _log, cancellationToken);

    /// <summary>Removes the copies of sandboxes that are neither known nor held.</summary>
    internal Task SweepCopiesAsync(IReadOnlySet<string> known, HeldPlaces held, CancellationToken cancellationToken) =>
        Reach.SweepAsync(known, held, LogStays, _time, cancellationToken);

    /// <summary>Tells of a sandbox that cannot be removed.</summary>
    internal void LogStays(string sandboxId, IOException error) => LogLeft(_log, sandboxId, error.Message);

    private HttpMessageInvoker Dial(ServerPlace place) => _dialler.Open(place.Access.Socket, place.Access.IsJudged);

    [LoggerMessage(Level = LogLevel.Warning, Message = "What is left of sandbox {SandboxId} cannot be removed: {Problem}")]
    private static partial void LogLeft(ILogger logger, string sandboxId, string problem);
}
