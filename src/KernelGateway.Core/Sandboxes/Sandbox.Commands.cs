using KernelGateway.Contracts.Commands;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Commands;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Journals;
using KernelGateway.Core.Provisioning;

namespace KernelGateway.Core.Sandboxes;

/// <summary>Its commands; they run beside code, never behind it.</summary>
public sealed partial class Sandbox
{
    /// <summary>Starts a command; it goes on whatever becomes of the caller. Returns when it runs.</summary>
    public async Task<Command> StartCommandAsync(StartCommandRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        await AwakeAsync(CancellationToken.None);
        return await StartAsync(request, KernelVariables());
    }

    private Task<Command> StartAsync(StartCommandRequest request, IReadOnlyDictionary<string, string> variables)
    {
        _ = CommandHost();
        var launch = CommandRequests.ToLaunch(request, _record.TimeoutSeconds, variables, _options);
        var note = new Notes.CommandNote(
            request.Command, request.Argv, launch.WorkingDirectory, launch.Timeout.TotalSeconds, launch.Terminal is not null,
            CreateSandboxValidator.IdempotencyKey(request.IdempotencyKey));
        _clock.Use();
        return _commands.StartAsync(launch, note);
    }

    /// <summary>Finds a command.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.CommandNotFound"/>.</exception>
    public Command GetCommand(string commandId) => _commandTable.Find(commandId)
        ?? throw new GatewayException(ErrorCode.CommandNotFound, $"This sandbox has no command of that id, or it is older than the last {_options.KeepExecutions}; its events may still be there.", "commandId");

    /// <summary>The commands that are remembered, newest first.</summary>
    public IReadOnlyList<Command> ListCommands(int limit) => _commandTable.List(limit);

    /// <summary>Gathers what one ended command put out.</summary>
    public Task<CommandResult> GetResultAsync(Command command, CancellationToken cancellationToken) =>
        CommandResults.GatherAsync(Journal, command, _options.MaxResultBytes, cancellationToken);

    /// <summary>Writes to a command's standard input.</summary>
    public async Task WriteCommandAsync(string commandId, CommandInputRequest request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        var input = CommandRequests.Input(request.Text, request.Base64, "text");
        if (input.IsEmpty && !request.Close)
        {
            throw new GatewayException(ErrorCode.InvalidArgument, "Give 'text' or 'base64' to write, or 'close': true.", "text");
        }

        await (await RunningAsync(commandId, cancellationToken)).WriteCommandAsync(commandId, input, request.Close, cancellationToken);
    }

    /// <summary>Sends a signal to a command's process group.</summary>
    public async Task SignalCommandAsync(string commandId, string? signal, CancellationToken cancellationToken)
    {
        var number = SignalNames.Parse(signal);
        var host = await RunningAsync(commandId, cancellationToken);
        GetCommand(commandId).Killed |= number is 9 or 15;
        await host.SignalCommandAsync(commandId, number, all: false, cancellationToken);
    }

    /// <summary>Ends a command and all it has started, at once. Does nothing when it has ended.</summary>
    public async Task KillCommandAsync(string commandId, CancellationToken cancellationToken)
    {
        var command = GetCommand(commandId);
        if (command.HasEnded)
        {
            return;
        }

        await AwakeAsync(cancellationToken);
        _ = CommandHost();
        command.Killed = true;
        try
        {
            await (await RunningAsync(commandId, cancellationToken)).SignalCommandAsync(commandId, 9, all: true, cancellationToken);
        }
        catch (GatewayException e) when (e.Code == ErrorCode.Conflict)
        {
            // By itself, just now.
        }
    }

    /// <summary>Changes the size of a command's terminal.</summary>
    public async Task ResizeCommandAsync(string commandId, PtySize size, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(size);
        await (await RunningAsync(commandId, cancellationToken)).ResizeCommandAsync(commandId, CommandRequests.Size(size), cancellationToken);
    }

    private async Task<ICommandHost> RunningAsync(string commandId, CancellationToken cancellationToken)
    {
        var command = GetCommand(commandId);
        await AwakeAsync(cancellationToken);
        var host = CommandHost();
        _clock.Use();
        return command.HasEnded ? throw new GatewayException(ErrorCode.Conflict, "The command has ended.") : host;
    }

    private ICommandHost CommandHost()
    {
        lock (_gate)
        {
            return _record.State != SandboxState.Running || _host is null ? throw NotRunning("no command can run in it")
                : _host.PowerOf<ICommandHost>()
                    ?? throw new GatewayException(ErrorCode.NotSupported, $"The variant '{_record.Variant}' cannot run commands; 'local' and 'local-eval' can.");
        }
    }
}
