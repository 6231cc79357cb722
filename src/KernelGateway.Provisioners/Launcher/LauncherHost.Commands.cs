using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;

namespace KernelGateway.Provisioners.Launcher;

/// <summary>Commands: passed on to the agent, which keeps them.</summary>
internal sealed partial class LauncherHost : ICommandHost
{
    /// <summary>Far more than an honest agent has at once.</summary>
    private const int MaxCommandsRemembered = 10_000;

    private volatile Action<string>? _commandActivity;
    private readonly ConcurrentDictionary<string, bool> _saidAll = new();
    private IReadOnlyList<string> _commandsFound = [];

    public string? WhyNoSystemPackages => _place.WhyNoSystemPackages;

    public IReadOnlyCollection<string> CommandsFound => _commandsFound;

    public void OnCommandActivity(Action<string> tell) => _commandActivity = tell;

    public bool HasSaidAll(string commandId) => _saidAll.ContainsKey(commandId);

    public KernelLogLocation CommandLog(string commandId) => new(Path.Combine(_place.LogsOnHost, commandId), _place.Uid);

    public Task StartCommandAsync(CommandLaunch launch, CancellationToken cancellationToken)
    {
        if (_terminating || _released || Exited.IsCompleted)
        {
            throw new GatewayException(ErrorCode.Conflict, "The sandbox has ended or is being ended.");
        }

        return Client.CommandAsync(launch.CommandId, "run", CommandRequest.For(launch, _environment, _variables, _place), cancellationToken);
    }

    public Task WriteCommandAsync(string commandId, ReadOnlyMemory<byte> input, bool close, CancellationToken cancellationToken) =>
        Client.CommandAsync(commandId, "write", new JsonObject { ["input"] = Convert.ToBase64String(input.Span), ["close"] = close }, cancellationToken);

    public Task SignalCommandAsync(string commandId, int signal, bool all, CancellationToken cancellationToken) =>
        Client.CommandAsync(commandId, "signal", new JsonObject { ["signal"] = signal, ["all"] = all }, cancellationToken);

    public Task ResizeCommandAsync(string commandId, TerminalSize size, CancellationToken cancellationToken) =>
        Client.CommandAsync(commandId, "resize", new JsonObject { ["size"] = CommandRequest.Size(size) }, cancellationToken);

    public Task ForgetCommandAsync(string commandId, CancellationToken cancellationToken)
    {
        _saidAll.TryRemove(commandId, out _);
        return Client.CommandAsync(commandId, "forget", [], cancellationToken);
    }

    private void CommandActivity(string commandId, bool saidAll)
    {
        if (saidAll && _saidAll.Count < MaxCommandsRemembered)
        {
            _saidAll[commandId] = true;
        }

        _commandActivity?.Invoke(commandId);
    }
}
