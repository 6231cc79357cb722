using System.Text.Json;
using System.Text.Json.Nodes;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Launcher;
using KernelGateway.Provisioners.Native;
using Microsoft.Extensions.Logging;

namespace KernelGateway.Provisioners.Remote;

/// <summary>Commands on a Jupyter server's machine. They are run there by an agent of their own, which is reached through a utility kernel and outlives it.</summary>
/// <remarks>
/// Their logs are copied to this host as they grow, byte by byte to the same place. What has been copied is removed there; a command whose
/// log is not copied waits, there, as soon as 4 MiB lie ready. Code of the same user on that machine can end the agent: its commands count
/// as lost then. What a server does to all processes of its user when it ends, it does to the agent too.
/// </remarks>
internal sealed class RemoteCommands : ICommandHost, IAsyncDisposable
{
    private readonly RemotePlace _place;
    private readonly RemoteKernel _kernel;
    private readonly LogMirror _mirror;

    /// <param name="place">Where they run.</param>
    /// <param name="kernel">How they are reached.</param>
    /// <param name="whyNoSystemPackages">See <see cref="WhyNoSystemPackages"/>.</param>
    /// <param name="time">For waits.</param>
    /// <param name="logger">Told of trouble with the copies.</param>
    internal RemoteCommands(RemotePlace place, RemoteKernel kernel, string? whyNoSystemPackages, TimeProvider time, ILogger logger)
    {
        _place = place;
        _kernel = kernel;
        WhyNoSystemPackages = whyNoSystemPackages;
        _mirror = new LogMirror(place, kernel, time, logger);
    }

    public string? WhyNoSystemPackages { get; }

    public IReadOnlyCollection<string> CommandsFound { get; private set; } = [];

    public void OnCommandActivity(Action<string> tell) => _mirror.Activity = tell;

    public KernelLogLocation CommandLog(string commandId) => _mirror.LocationOf(commandId);

    /// <summary>For a place that was found again: finds its commands, and goes on copying their logs where the copies end.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.KernelFailed"/>: the server cannot be asked.</exception>
    internal async Task FindAsync(CancellationToken cancellationToken)
    {
        var known = await AskAsync("commands", [], cancellationToken);
        var running = known.Field("known").List(LogMirror.MaxCommands).Select(RemoteAnswer.Words).Where(LogMirror.IsName);

        // Those of which only a copy is left have no writer any more; the mirror brings them to an end.
        CommandsFound = [.. running.Concat(_mirror.CopiesFound()).Distinct()];
        foreach (var command in CommandsFound)
        {
            _mirror.Follow(command);
        }
    }

    public async Task StartCommandAsync(CommandLaunch launch, CancellationToken cancellationToken)
    {
        var request = CommandRequest.For(launch, KernelPlan.Merge(_place.Variables, [launch.Variables]), _place.Folder);
        await CommandAsync(launch.CommandId, "run", request, cancellationToken);
        _mirror.Follow(launch.CommandId);
    }

    public Task WriteCommandAsync(string commandId, ReadOnlyMemory<byte> input, bool close, CancellationToken cancellationToken) =>
        CommandAsync(commandId, "write", new JsonObject { ["input"] = Convert.ToBase64String(input.Span), ["close"] = close }, cancellationToken);

    public Task SignalCommandAsync(string commandId, int signal, bool all, CancellationToken cancellationToken) =>
        CommandAsync(commandId, "signal", new JsonObject { ["signal"] = signal, ["all"] = all }, cancellationToken);

    public Task ResizeCommandAsync(string commandId, TerminalSize size, CancellationToken cancellationToken) =>
        CommandAsync(commandId, "resize", new JsonObject { ["size"] = CommandRequest.Size(size) }, cancellationToken);

    public async Task ForgetCommandAsync(string commandId, CancellationToken cancellationToken)
    {
        await _mirror.ForgetAsync(commandId);
        await AskAsync("forget", new JsonObject { ["command"] = commandId }, cancellationToken);
    }

    /// <summary>Ends all commands and their agent, and removes what is kept of them there and here.</summary>
    /// <param name="grace">How long they may take to end by themselves.</param>
    /// <param name="cancellationToken">Stops the waiting.</param>
    internal async Task TerminateAsync(TimeSpan grace, CancellationToken cancellationToken)
    {
        var request = new JsonObject { ["grace"] = grace.TotalSeconds };
        try
        {
            await AskAsync("shutdown", request, cancellationToken);
        }
        catch (GatewayException e) when (e.InnerException is TimeoutException)
        {
            // The kernel that was asked is gone. To end what has ended does no harm.
            await AskAsync("shutdown", request, cancellationToken);
        }

        await _mirror.DisposeAsync();
        _mirror.RemoveAll();
    }

    /// <summary>Lets go of the commands and leaves them running.</summary>
    public ValueTask DisposeAsync() => _mirror.DisposeAsync();

    private async Task CommandAsync(string commandId, string act, JsonObject request, CancellationToken cancellationToken)
    {
        (request["command"], request["do"]) = (commandId, act);
        await AskAsync("command", new JsonObject { ["request"] = request }, cancellationToken);
    }

    private async Task<JsonElement> AskAsync(string operation, JsonObject request, CancellationToken cancellationToken) =>
        Demand(await _kernel.CallAsync(operation, request, cancellationToken));

    /// <summary>The value of an answer of <c>remote_commands.py</c>.</summary>
    internal static JsonElement Demand(JsonElement answer)
    {
        if (answer.ValueKind == JsonValueKind.Object && answer.TryGetProperty("ok", out var value))
        {
            return value;
        }

        var (code, field) = CommandRequest.Meaning(answer.Field("refused").Words());
        throw new GatewayException(code, TextTail.Clean(answer.Optional("error")?.Words() ?? "The command was refused without a reason."), field);
    }
}
