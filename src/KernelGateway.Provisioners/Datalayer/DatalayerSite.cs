using KernelGateway.Core.Errors;
using KernelGateway.Provisioners.JupyterServer;
using KernelGateway.Provisioners.Native;
using Microsoft.Extensions.Logging;

namespace KernelGateway.Provisioners.Datalayer;

/// <summary>The runtimes of this gateway in the cloud: makes them, finds them, and ends those that nobody needs.</summary>
internal sealed partial class DatalayerSite(DatalayerOptions options, ServerHosting hosting, TimeProvider time, ILogger log)
{
    private const string NotAllowed =
        $"The variant 'datalayer-runtime' is switched off. Set {DatalayerOptions.Section}:{nameof(DatalayerOptions.ApiKey)}, {nameof(DatalayerOptions.ApiKeyFile)} or the environment variable {DatalayerOptions.KeyVariable}.";

    // The start of the gateway waits for it.
    private static readonly TimeSpan StartPatience = TimeSpan.FromSeconds(3);

    /// <summary>Those that this process makes or holds.</summary>
    internal HeldPlaces Held { get; } = new();

    /// <summary>The environments that there are, by name.</summary>
    /// <exception cref="GatewayException">There is no key, in which case nothing is called: a gateway that does not use it must not wait for it either. Or the service does not answer well.</exception>
    internal async Task<IReadOnlyCollection<DatalayerEnvironment>> EnvironmentsAsync(CancellationToken cancellationToken)
    {
        using var http = hosting.Dial();
        return [.. (await Control(http, StartPatience).EnvironmentsAsync(cancellationToken)).Values];
    }

    /// <summary>Makes a runtime; its server does not answer yet. On failure nothing is left.</summary>
    /// <param name="id">The sandbox's id.</param>
    /// <param name="environment">The name of its environment.</param>
    /// <param name="cancellationToken">Stops before the runtime is asked for.</param>
    /// <exception cref="GatewayException">With what the service says.</exception>
    internal async Task<RuntimePlace> StartAsync(string id, string environment, CancellationToken cancellationToken)
    {
        if (!Held.TryHold(id))
        {
            throw new GatewayException(ErrorCode.Conflict, $"There is a sandbox '{id}' already.");
        }

        var http = hosting.Dial();
        try
        {
            var control = Control(http);
            var runtime = await MakeAsync(control, id, environment, cancellationToken);
            try
            {
                return Open(id, runtime, control, http);
            }
            catch
            {
                await EndAsync(() => control.DeleteAsync(runtime.Pod, CancellationToken.None));
                throw;
            }
        }
        catch
        {
            http.Dispose();
            Held.LetGo(id);
            throw;
        }
    }

    /// <summary>Finds a runtime again; <c>null</c> when it is gone. A control plane that does not answer says nothing of that: then it is taken for what it was.</summary>
    internal async Task<RuntimePlace?> ReopenAsync(string id, ServerHostState state, CancellationToken cancellationToken)
    {
        var pod = state.PlaceText("pod");
        var http = hosting.Dial();
        try
        {
            if (await FindAsync(Control(http, StartPatience), pod, state, cancellationToken) is { } runtime)
            {
                var place = Open(id, runtime, Control(http), http);
                Held.Hold(id);
                return place;
            }
        }
        catch
        {
            http.Dispose();
            throw;
        }

        http.Dispose();
        return null;
    }

    /// <summary>Ends the runtimes of sandboxes that are neither known nor held.</summary>
    internal async Task<IReadOnlyList<string>> RemoveOrphansAsync(IReadOnlySet<string> known, CancellationToken cancellationToken)
    {
        var removed = new List<string>();
        try
        {
            if (KeyOrNull() is null)
            {
                return removed;
            }

            using var http = hosting.Dial();
            var control = Control(http, StartPatience);
            foreach (var runtime in (await control.ListAsync(cancellationToken)).Where(runtime => runtime.GivenName.StartsWith(options.NamePrefix, StringComparison.Ordinal)))
            {
                var id = runtime.GivenName[options.NamePrefix.Length..];
                if (!known.Contains(id) && !Held.IsHeld(id))
                {
                    await control.DeleteAsync(runtime.Pod, cancellationToken);
                    removed.Add(id);
                }
            }
        }
        catch (GatewayException e)
        {
            LogNotSwept(log, e.Message);
        }

        return removed;
    }

    private async Task<DatalayerRuntime?> FindAsync(DatalayerControl control, string pod, ServerHostState state, CancellationToken cancellationToken)
    {
        try
        {
            return await control.FindAsync(pod, cancellationToken);
        }
        catch (GatewayException e)
        {
            LogNotAsked(log, pod, e.Message);
            return new DatalayerRuntime(state.PlaceTextOrNull("uid") ?? "", pod, "", state.Access.Url.ToString(), state.Access.Token, null);
        }
    }

    /// <summary>Makes a runtime, at most one of a name: an answer that was lost is looked for.</summary>
    private async Task<DatalayerRuntime> MakeAsync(DatalayerControl control, string id, string environment, CancellationToken cancellationToken)
    {
        var environments = await control.EnvironmentsAsync(cancellationToken);
        if (!environments.TryGetValue(environment, out var found))
        {
            throw new GatewayException(
                ErrorCode.EnvironmentNotFound, $"Datalayer has no environment '{environment}'; it has: {TextTail.Clean(string.Join(", ", environments.Keys), 300)}.", "environment");
        }

        var name = options.NamePrefix + id;
        if ((await control.ListAsync(cancellationToken)).Any(runtime => runtime.GivenName == name))
        {
            throw new GatewayException(ErrorCode.Conflict, $"There is a runtime for a sandbox '{id}' already.");
        }

        try
        {
            // Not cut short: it would be made all the same, and nobody would know.
            cancellationToken.ThrowIfCancellationRequested();
            return await control.CreateAsync(environment, name, Math.Max(found.BurningRate * 60 * options.ReservationMinutes, 0.01), CancellationToken.None);
        }
        catch (GatewayException e) when (e.Code == ErrorCode.KernelFailed)
        {
            // It may have been made, with the answer lost or unreadable: nobody else would ever end it.
            await EndAsync(async () =>
            {
                foreach (var runtime in (await control.ListAsync(CancellationToken.None)).Where(runtime => runtime.GivenName == name))
                {
                    await control.DeleteAsync(runtime.Pod, CancellationToken.None);
                }
            });
            throw;
        }
    }

    /// <summary>Ends what nobody will use, if that can be done now.</summary>
    private async Task EndAsync(Func<Task> end)
    {
        try
        {
            await end();
        }
        catch (GatewayException e)
        {
            LogNotSwept(log, e.Message);
        }
    }

    private RuntimePlace Open(string id, DatalayerRuntime runtime, DatalayerControl control, HttpMessageInvoker http) =>
        new(runtime, control, http, options.LookInterval, time) { SandboxId = id, Access = AccessOf(runtime), Reach = hosting.Reach, LetGo = Held.LetGo };

    /// <summary>Where the runtime's server is. A service reached by TLS must not lead to one that is not.</summary>
    private ServerAccess AccessOf(DatalayerRuntime runtime) =>
        ServerAccess.Problem(runtime.Ingress) is null && (!options.Url.StartsWith("https:", StringComparison.OrdinalIgnoreCase) || runtime.Ingress.StartsWith("https:", StringComparison.OrdinalIgnoreCase))
            ? new ServerAccess(ServerAccess.Parse(runtime.Ingress, "ingress"), runtime.Token, IsJudged: true)
            : throw new GatewayException(ErrorCode.KernelFailed, "The Datalayer service names no address at which the runtime's server could be reached.");

    private DatalayerControl Control(HttpMessageInvoker http, TimeSpan? within = null) =>
        new(http, options.Url, within ?? options.CallTimeout, KeyOrNull() ?? throw new GatewayException(ErrorCode.NotSupported, NotAllowed, "variant"), time);

    private string? KeyOrNull()
    {
        var key = SecretFile.Read(options.ApiKey, options.ApiKeyFile, $"{DatalayerOptions.Section}:{nameof(options.ApiKeyFile)}");
        return key.Length > 0 ? key : Environment.GetEnvironmentVariable(DatalayerOptions.KeyVariable) is { Length: > 0 } variable ? variable : null;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Nobody says whether the runtime {Pod} is there still; it is used as before: {Problem}")]
    private static partial void LogNotAsked(ILogger logger, string pod, string problem);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Runtimes that nobody needs may be left: {Problem}")]
    private static partial void LogNotSwept(ILogger logger, string problem);
}
