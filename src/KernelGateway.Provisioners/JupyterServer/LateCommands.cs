using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Remote;

namespace KernelGateway.Provisioners.JupyterServer;

/// <summary>The commands of a server whose folder is not known before a kernel of it has told.</summary>
/// <param name="whyNoSystemPackages">As <see cref="ICommandHost.WhyNoSystemPackages"/>.</param>
/// <param name="learn">Has a kernel tell, and calls <see cref="Open"/> when it does.</param>
internal sealed class LateCommands(string? whyNoSystemPackages, Func<CancellationToken, Task> learn) : ICommandHost
{
    private Action<string>? _tell;
    private RemoteCommands? _commands;

    public string? WhyNoSystemPackages => whyNoSystemPackages;

    public IReadOnlyCollection<string> CommandsFound => _commands?.CommandsFound ?? [];

    private RemoteCommands Commands => _commands ?? throw new GatewayException(
        ErrorCode.NotSupported, "The server did not tell in which folder its kernels work, so that no commands can be run beside them.");

    public void OnCommandActivity(Action<string> tell)
    {
        _tell = tell;
        _commands?.OnCommandActivity(tell);
    }

    public KernelLogLocation CommandLog(string commandId) => Commands.CommandLog(commandId);

    public async Task StartCommandAsync(CommandLaunch launch, CancellationToken cancellationToken)
    {
        if (_commands is null)
        {
            await learn(cancellationToken);
        }

        await Commands.StartCommandAsync(launch, cancellationToken);
    }

    public Task WriteCommandAsync(string commandId, ReadOnlyMemory<byte> input, bool close, CancellationToken cancellationToken) =>
        Commands.WriteCommandAsync(commandId, input, close, cancellationToken);

    public Task SignalCommandAsync(string commandId, int signal, bool all, CancellationToken cancellationToken) =>
        Commands.SignalCommandAsync(commandId, signal, all, cancellationToken);

    public Task ResizeCommandAsync(string commandId, TerminalSize size, CancellationToken cancellationToken) =>
        Commands.ResizeCommandAsync(commandId, size, cancellationToken);

    public Task ForgetCommandAsync(string commandId, CancellationToken cancellationToken) => Commands.ForgetCommandAsync(commandId, cancellationToken);

    /// <summary>From now on it is known where they run.</summary>
    internal void Open(RemoteCommands commands)
    {
        if (_tell is { } tell)
        {
            commands.OnCommandActivity(tell);
        }

        _commands = commands;
    }
}
