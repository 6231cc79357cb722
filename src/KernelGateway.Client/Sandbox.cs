using KernelGateway.Client.Http;
using KernelGateway.Contracts.Environments;
using KernelGateway.Contracts.Errors;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Executions;
using KernelGateway.Contracts.Sandboxes;

namespace KernelGateway.Client;

/// <summary>
/// A sandbox in a gateway: a place where code runs and keeps its state. Leaving an <c>await using</c> block ends a sandbox that
/// this object created, unless <see cref="LeaveRunning"/> says otherwise. Every call bridges outages of the gateway as its client's options allow.
/// </summary>
public sealed partial class Sandbox : IAsyncDisposable
{
    private static readonly TimeSpan DisposeDeadline = TimeSpan.FromSeconds(30);

    private readonly KernelGatewayClient _client;
    private readonly bool _ownsClient;
    private volatile SandboxInfo _info;

    private Sandbox(KernelGatewayClient client, bool ownsClient, SandboxInfo info, bool leaveRunning)
    {
        _client = client;
        _ownsClient = ownsClient;
        _info = info;
        LeaveRunning = leaveRunning;
        Files = new SandboxFiles(client, info.Id);
        Commands = new SandboxCommands(client, info.Id);
    }

    /// <summary>The sandbox's id.</summary>
    public string Id => _info.Id;

    /// <summary>The sandbox as the gateway last described it; <see cref="RefreshAsync"/> asks again.</summary>
    public SandboxInfo Info => _info;

    /// <summary>The sandbox's files; reading and writing them never waits for running code.</summary>
    public SandboxFiles Files { get; }

    /// <summary>Commands in the sandbox; they run beside code, never behind it.</summary>
    public SandboxCommands Commands { get; }

    /// <summary>Whether the sandbox lives on when this object is disposed: false after <see cref="CreateAsync(KernelGatewayClient?, CreateSandboxRequest?, CancellationToken)"/>, true after <see cref="FromIdAsync"/>.</summary>
    public bool LeaveRunning { get; set; }

    /// <summary>Creates a sandbox and waits until its kernel is ready.</summary>
    /// <param name="client">The gateway; <c>null</c> for the one the environment variables name.</param>
    /// <param name="request">What it must be like; <c>null</c> for the gateway's defaults.</param>
    /// <param name="cancellationToken">Cancels the waiting. A sandbox that was already being made lives until its idle time-out.</param>
    /// <exception cref="KernelGatewayException">The gateway refused or could not be reached.</exception>
    public static async Task<Sandbox> CreateAsync(KernelGatewayClient? client = null, CreateSandboxRequest? request = null, CancellationToken cancellationToken = default)
    {
        var key = Guid.NewGuid().ToString("N");
        return await OpenAsync(client, leaveRunning: false, used => used.Http.CreateSandboxAsync(request ?? new CreateSandboxRequest(), key, cancellationToken));
    }

    /// <summary>Comes back to a sandbox that exists, from any process.</summary>
    /// <param name="id">Its id.</param>
    /// <param name="client">The gateway; <c>null</c> for the one the environment variables name.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KernelGatewayException"><see cref="ErrorCodes.SandboxNotFound"/>: there is none, or it is not yours.</exception>
    public static async Task<Sandbox> FromIdAsync(string id, KernelGatewayClient? client = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(id);
        return await OpenAsync(client, leaveRunning: true, used => used.Http.GetSandboxAsync(id, cancellationToken));
    }

    /// <summary>Lists your sandboxes, newest first, ended ones included until they are removed.</summary>
    /// <param name="client">The gateway; <c>null</c> for the one the environment variables name.</param>
    /// <param name="filter">Which ones; <c>null</c> for all.</param>
    /// <param name="cancellationToken">Ends the listing.</param>
    /// <exception cref="KernelGatewayException">The gateway refused or could not be reached.</exception>
    public static IAsyncEnumerable<SandboxInfo> ListAsync(
        KernelGatewayClient? client = null,
        SandboxFilter? filter = null,
        CancellationToken cancellationToken = default) => Pages.AllAsync(
            client,
            async (http, cursor, token) =>
            {
                var page = await http.ListSandboxesAsync(filter ?? new SandboxFilter(), cursor, token);
                return (page.Items, page.NextCursor);
            },
            cancellationToken);

    /// <summary>Lists the environments that sandboxes can be made from.</summary>
    /// <param name="client">The gateway; <c>null</c> for the one the environment variables name.</param>
    /// <param name="variant">Only those that this variant can run; <c>null</c> for all.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KernelGatewayException">The gateway refused or could not be reached.</exception>
    public static async Task<IReadOnlyList<EnvironmentInfo>> ListEnvironmentsAsync(KernelGatewayClient? client = null, string? variant = null, CancellationToken cancellationToken = default)
    {
        await using var own = client is null ? new KernelGatewayClient() : null;
        return (await (client ?? own!).Http.GetEnvironmentsAsync(variant, cancellationToken)).Items;
    }

    /// <summary>Asks the gateway for the present state; also updates <see cref="Info"/>.</summary>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KernelGatewayException">The gateway refused or could not be reached.</exception>
    public async Task<SandboxInfo> RefreshAsync(CancellationToken cancellationToken = default) =>
        _info = await _client.Http.GetSandboxAsync(Id, cancellationToken);

    /// <summary>Runs code and waits for its end. Errors of the code are in the result.</summary>
    /// <param name="code">The source.</param>
    /// <param name="options">Callbacks and limits.</param>
    /// <param name="cancellationToken">Ends the waiting; the run goes on. To stop it, interrupt it.</param>
    /// <exception cref="KernelGatewayException">The gateway refused or stayed away too long, or events are missing.</exception>
    public async Task<CodeResult> RunCodeAsync(string code, RunCodeOptions? options = null, CancellationToken cancellationToken = default)
    {
        var running = await StartAsync(code, options ?? new RunCodeOptions(), allowStdin: options?.OnInput is not null, cancellationToken);
        return await running.WaitAsync(cancellationToken);
    }

    /// <summary>Starts code and comes back at once; it waits its turn behind earlier runs of the same context.</summary>
    /// <param name="code">The source.</param>
    /// <param name="options">Callbacks (for <see cref="RunningCode.WaitAsync"/>) and limits.</param>
    /// <param name="cancellationToken">Cancels the call, not a run that has been accepted.</param>
    /// <exception cref="KernelGatewayException">The gateway refused or could not be reached.</exception>
    public Task<RunningCode> StartCodeAsync(string code, RunCodeOptions? options = null, CancellationToken cancellationToken = default) =>
        StartAsync(code, options ?? new RunCodeOptions(), allowStdin: true, cancellationToken);

    /// <summary>Comes back to a run of this sandbox, from any process, whether it has ended or not.</summary>
    /// <param name="executionId">Its id.</param>
    /// <param name="options">Callbacks for <see cref="RunningCode.WaitAsync"/>.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KernelGatewayException"><see cref="ErrorCodes.ExecutionNotFound"/>: there is none.</exception>
    public async Task<RunningCode> GetCodeAsync(string executionId, RunCodeOptions? options = null, CancellationToken cancellationToken = default) =>
        new(_client, await _client.Http.GetExecutionAsync(Id, executionId, cancellationToken), options ?? new RunCodeOptions());

    /// <summary>
    /// Follows everything the sandbox says until it ends: each event exactly once and in order, over any number of connections and
    /// gateway restarts. A slow reader is waited for; what it has not read stays in the gateway's journal.
    /// </summary>
    /// <param name="after">The number of the last event you have seen; 0 for all; <c>Info.LastSequence</c> for what comes from now on.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <exception cref="KernelGatewayException">
    /// <see cref="ClientErrorCodes.EventGap"/>: a number was left out. <see cref="ClientErrorCodes.Unreachable"/>: the gateway stayed away too long.
    /// </exception>
    public IAsyncEnumerable<SandboxEvent> EventsAsync(long after = 0, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(after);
        return _client.EventsOf(Id).ReadAsync(after, cancellationToken);
    }

    /// <summary>Interrupts whatever is running, as Ctrl-C does.</summary>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <returns>Whether anything was running.</returns>
    /// <exception cref="KernelGatewayException">The gateway refused or could not be reached.</exception>
    public async Task<bool> InterruptAsync(CancellationToken cancellationToken = default)
    {
        var interrupted = false;
        foreach (var execution in await _client.Http.ListExecutionsAsync(Id, cancellationToken))
        {
            if (execution.State == ExecutionState.Running)
            {
                await _client.Http.InterruptAsync(Id, execution.Id, escalate: false, cancellationToken);
                interrupted = true;
            }
        }

        return interrupted;
    }

    /// <summary>Replaces a kernel by a new one: its variables are gone, its waiting runs are cancelled. Also updates <see cref="Info"/>.</summary>
    /// <param name="contextId">The context; the default one when <c>null</c>.</param>
    /// <param name="cancellationToken">Cancels the waiting.</param>
    /// <exception cref="KernelGatewayException">The gateway refused, could not be reached, or went away in the middle (<see cref="ClientErrorCodes.ConnectionLost"/>).</exception>
    public async Task<SandboxInfo> RestartAsync(string? contextId = null, CancellationToken cancellationToken = default) =>
        _info = await _client.Http.RestartAsync(Id, contextId, cancellationToken);

    /// <summary>What the sandbox may reach, and what went through.</summary>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KernelGatewayException">The gateway refused or could not be reached.</exception>
    public Task<NetworkInfo> GetNetworkAsync(CancellationToken cancellationToken = default) => _client.Http.GetNetworkAsync(Id, cancellationToken);

    /// <summary>Replaces what the sandbox may reach, at once: connections that are now denied are cut. Kernels that were started without a network learn of their proxy when they are restarted.</summary>
    /// <param name="policy">The policy.</param>
    /// <param name="allowedHosts">See <see cref="CreateSandboxRequest.AllowedHosts"/>; <c>null</c> for none.</param>
    /// <param name="deniedHosts">See <see cref="CreateSandboxRequest.DeniedHosts"/>; <c>null</c> for none.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KernelGatewayException"><see cref="ErrorCodes.InvalidArgument"/>: a pattern is wrong; <see cref="ErrorCodes.NotSupported"/>: the variant cannot enforce it.</exception>
    public Task<NetworkInfo> SetNetworkAsync(
        NetworkPolicy policy,
        IReadOnlyList<string>? allowedHosts = null,
        IReadOnlyList<string>? deniedHosts = null,
        CancellationToken cancellationToken = default) =>
        _client.Http.SetNetworkAsync(Id, new SetNetworkRequest { NetworkPolicy = policy, AllowedHosts = allowedHosts, DeniedHosts = deniedHosts }, cancellationToken);

    /// <summary>Ends the sandbox and everything in it, at once. Ending it twice is no error.</summary>
    /// <param name="cancellationToken">Cancels the waiting.</param>
    /// <exception cref="KernelGatewayException">The gateway refused or could not be reached.</exception>
    public Task KillAsync(CancellationToken cancellationToken = default) => TerminateAsync(TimeSpan.Zero, cancellationToken);

    /// <summary>Ends the sandbox and everything in it. Ending it twice is no error.</summary>
    /// <param name="grace">How long processes may take to end by themselves; the gateway's default when <c>null</c>.</param>
    /// <param name="cancellationToken">Cancels the waiting.</param>
    /// <exception cref="KernelGatewayException">The gateway refused or could not be reached.</exception>
    public async Task TerminateAsync(TimeSpan? grace = null, CancellationToken cancellationToken = default)
    {
        await _client.Http.DeleteSandboxAsync(Id, grace, cancellationToken);
        LeaveRunning = true;
    }

    /// <summary>Lets the sandbox live on when this object is disposed.</summary>
    public void Detach() => LeaveRunning = true;

    /// <summary>
    /// Ends the sandbox unless it is to be left running, and waits for that at most 30 seconds. Does not throw when the gateway cannot be
    /// reached, because that would hide why the block was left: the sandbox then ends by its idle time-out. <see cref="TerminateAsync"/> reports errors.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        if (!LeaveRunning)
        {
            using var deadline = new CancellationTokenSource(DisposeDeadline, _client.Time);
            try
            {
                await TerminateAsync(cancellationToken: deadline.Token);
            }
            catch (Exception e) when (e is KernelGatewayException or OperationCanceledException)
            {
                LeaveRunning = true;
            }
        }

        if (_ownsClient)
        {
            await _client.DisposeAsync();
        }
    }

    private static async Task<Sandbox> OpenAsync(KernelGatewayClient? client, bool leaveRunning, Func<KernelGatewayClient, Task<SandboxInfo>> ask)
    {
        var used = client ?? new KernelGatewayClient();
        try
        {
            return new Sandbox(used, client is null, await ask(used), leaveRunning);
        }
        catch when (client is null)
        {
            await used.DisposeAsync();
            throw;
        }
    }

    private async Task<RunningCode> StartAsync(string code, RunCodeOptions options, bool allowStdin, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(code);
        var key = options.IdempotencyKey ?? Guid.NewGuid().ToString("N");
        var info = await _client.Http.RunCodeAsync(Id, options.ToRequest(code, allowStdin), key, cancellationToken);
        return new RunningCode(_client, info, options);
    }
}
