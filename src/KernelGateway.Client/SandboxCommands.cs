using KernelGateway.Client.Http;
using KernelGateway.Contracts.Commands;
using KernelGateway.Contracts.Errors;

namespace KernelGateway.Client;

/// <summary>The commands of a sandbox. Each goes on whether or not anybody reads it, and outlives the gateway.</summary>
public sealed class SandboxCommands
{
    private readonly KernelGatewayClient _client;
    private readonly string _sandboxId;

    internal SandboxCommands(KernelGatewayClient client, string sandboxId)
    {
        _client = client;
        _sandboxId = sandboxId;
    }

    /// <summary>Runs a text in a shell and waits for its end. A code other than 0 is in the outcome, not an exception.</summary>
    /// <param name="command">For <c>/bin/bash -c</c>, or <c>/bin/sh</c> where there is no bash.</param>
    /// <param name="options">Callbacks and limits.</param>
    /// <param name="cancellationToken">Ends the waiting; the command goes on.</param>
    /// <exception cref="KernelGatewayException">The gateway refused or stayed away too long, or events are missing.</exception>
    public async Task<CommandOutcome> RunAsync(string command, CommandOptions? options = null, CancellationToken cancellationToken = default) =>
        await (await StartAsync(command, options, cancellationToken)).WaitAsync(cancellationToken);

    /// <summary>Starts a text in a shell and comes back when it runs.</summary>
    /// <param name="command">For <c>/bin/bash -c</c>, or <c>/bin/sh</c> where there is no bash.</param>
    /// <param name="options">Callbacks (for <see cref="RunningCommand.WaitAsync"/>) and limits.</param>
    /// <param name="cancellationToken">Cancels the call, not a command that has been accepted.</param>
    /// <exception cref="KernelGatewayException"><see cref="ErrorCodes.InvalidArgument"/>, <see cref="ErrorCodes.LimitReached"/> and others.</exception>
    public Task<RunningCommand> StartAsync(string command, CommandOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(command);
        return StartAsync(command, null, options, cancellationToken);
    }

    /// <summary>Starts a program without a shell and comes back when it runs.</summary>
    /// <param name="argv">The program and its arguments.</param>
    /// <param name="options">Callbacks (for <see cref="RunningCommand.WaitAsync"/>) and limits.</param>
    /// <param name="cancellationToken">Cancels the call, not a command that has been accepted.</param>
    /// <exception cref="KernelGatewayException"><see cref="ErrorCodes.InvalidArgument"/>, <see cref="ErrorCodes.LimitReached"/> and others.</exception>
    public Task<RunningCommand> ExecAsync(IReadOnlyList<string> argv, CommandOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(argv);
        return StartAsync(null, argv, options, cancellationToken);
    }

    /// <summary>The commands that are remembered, newest first.</summary>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KernelGatewayException">The gateway refused or could not be reached.</exception>
    public Task<IReadOnlyList<CommandInfo>> ListAsync(CancellationToken cancellationToken = default) =>
        _client.Http.GetAsync<IReadOnlyList<CommandInfo>>($"{SandboxRoutes.Of(_sandboxId)}/commands", cancellationToken);

    /// <summary>Comes back to a command, from any process, whether it has ended or not; all it put out can be read again.</summary>
    /// <param name="commandId">Its id.</param>
    /// <param name="options">Callbacks for <see cref="RunningCommand.WaitAsync"/>.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KernelGatewayException"><see cref="ErrorCodes.CommandNotFound"/>: there is none.</exception>
    public async Task<RunningCommand> GetAsync(string commandId, CommandOptions? options = null, CancellationToken cancellationToken = default) =>
        new(_client, await _client.Http.GetAsync<CommandInfo>(RunningCommand.Route(_sandboxId, commandId), cancellationToken), options ?? new CommandOptions());

    /// <summary>Installs packages of the system with its package manager and waits for its end, where the sandbox's variant lets it change the system. A code other than 0 is in the outcome, not an exception.</summary>
    /// <param name="packages">Their names, with versions where wanted.</param>
    /// <param name="manager"><c>apt-get</c>, <c>dnf</c>, <c>yum</c> or <c>apk</c>; <c>null</c> for whichever there is.</param>
    /// <param name="options">Callbacks for what it prints, its time limit, and an idempotency key; nothing else of it is used.</param>
    /// <param name="cancellationToken">Ends the waiting; the installation goes on.</param>
    /// <exception cref="KernelGatewayException"><see cref="ErrorCodes.NotSupported"/>: it cannot; the message says why, and the way out.</exception>
    public Task<CommandOutcome> InstallSystemPackagesAsync(
        IReadOnlyList<string> packages, string? manager = null, CommandOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(packages);
        var request = new InstallSystemPackagesRequest { Packages = packages, Manager = manager, TimeoutSeconds = options?.Timeout?.TotalSeconds };
        return InstallAsync("system-packages", request, options, cancellationToken);
    }

    internal async Task<CommandOutcome> InstallAsync(string route, object request, CommandOptions? options, CancellationToken cancellationToken)
    {
        var used = options ?? new CommandOptions();
        return await (await CreateAsync(route, request, used, cancellationToken)).WaitAsync(cancellationToken);
    }

    private async Task<RunningCommand> StartAsync(string? command, IReadOnlyList<string>? argv, CommandOptions? options, CancellationToken cancellationToken)
    {
        var used = options ?? new CommandOptions();
        return await CreateAsync("commands", used.ToRequest(command, argv), used, cancellationToken);
    }

    private async Task<RunningCommand> CreateAsync(string route, object request, CommandOptions used, CancellationToken cancellationToken)
    {
        var key = used.IdempotencyKey ?? Guid.NewGuid().ToString("N");
        return new RunningCommand(_client, await _client.Http.CreateAsync<CommandInfo>($"{SandboxRoutes.Of(_sandboxId)}/{route}", request, key, cancellationToken), used);
    }
}
