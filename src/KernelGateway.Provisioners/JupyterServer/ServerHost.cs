using System.Collections.Concurrent;
using System.Text.Json;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;
using KernelGateway.Jupyter;
using KernelGateway.Provisioners.Launcher;
using Microsoft.Extensions.Logging;

namespace KernelGateway.Provisioners.JupyterServer;

/// <summary>A place whose kernels live in a Jupyter Server; the same for every variant, only the <see cref="ServerPlace"/> differs.</summary>
internal sealed partial class ServerHost : IKernelHost
{
    /// <summary>Ended kernels that are remembered.</summary>
    private const int MaxEnded = 32;

    private readonly ServerPlace _place;
    private readonly ServerHostState _plan;
    private readonly HttpMessageInvoker _http;
    private readonly JupyterApi _api;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly ConcurrentDictionary<string, HostedServerKernel> _kernels = new();
    private readonly TaskCompletionSource<HostExit> _exited = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _released = new();
    private readonly Lock _gate = new();
    private readonly Task _watching;
    private Task? _ending;
    private string? _adopts;
    private string? _folder;

    /// <param name="place">Where it is; disposed with this.</param>
    /// <param name="plan">What kernels are to be like, and those that there are.</param>
    /// <param name="http">Connects to the server; disposed with this.</param>
    /// <param name="time">The clock.</param>
    /// <param name="log">Where to report.</param>
    internal ServerHost(ServerPlace place, ServerHostState plan, HttpMessageInvoker http, TimeProvider time, ILogger log)
    {
        _place = place;
        _plan = plan;
        _http = http;
        _time = time;
        _log = log;
        _api = new JupyterApi(http, place.Access, time);
        _adopts = plan.Adopts;
        foreach (var record in plan.Kernels)
        {
            var kernel = _kernels[record.Id] = new HostedServerKernel(this, record);
            if (record.Exit is { } exit)
            {
                kernel.End(exit);
            }
        }

        var python = plan.Environment.Kernels.FirstOrDefault(kernel => kernel.Value.Language == "python").Key ?? "python3";
        _utility = new UtilityKernel(_api, $"kernel-gateway-{place.Reach.NameOf(place.SandboxId)}", python, ConnectAsync);
        _lateCommands = new LateCommands(place.WhyNoSystemPackages, LearnFolderAsync);
        if ((plan.Folder ?? place.WorkFolder) is { } folder)
        {
            OpenReach(folder);
        }

        _watching = WatchAsync();
    }

    public IReadOnlyCollection<IHostedKernel> Kernels => [.. _kernels.Values];

    public Task<HostExit> Exited => _exited.Task;

    public bool RunsLauncher => false;

    public string? RunsOn => _place.RunsOn;

    /// <summary>True when it was made by an earlier gateway, so that its kernels are known to have answered.</summary>
    internal bool IsFoundAgain { get; init; }

    public async Task<IHostedKernel> LaunchKernelAsync(KernelLaunch launch, CancellationToken cancellationToken)
    {
        KernelPlan.Check(launch, _plan.Environment);
        var variables = KernelPlan.Merge(_plan.Environment.Variables, [_plan.Variables, launch.Variables]);
        if (!string.IsNullOrEmpty(launch.WorkingDirectory))
        {
            KernelPlan.CheckFolder(launch.WorkingDirectory);
        }

        lock (_gate)
        {
            if (_ending is not null || _released.IsCancellationRequested || Exited.IsCompleted)
            {
                throw new GatewayException(ErrorCode.KernelFailed, "The sandbox has ended or is being ended.");
            }
        }

        if (_kernels.ContainsKey(launch.KernelId))
        {
            throw new GatewayException(ErrorCode.KernelFailed, $"A kernel of the id '{launch.KernelId}' has been launched here before.");
        }

        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _released.Token);
        var adopted = Interlocked.Exchange(ref _adopts, null);
        var id = adopted is null ? await StartAsync(launch.KernelName, either.Token) : await FindAsync(adopted, either.Token);
        try
        {
            var prepared = await PrepareAsync(id, adopted is not null, variables, launch.WorkingDirectory, either.Token);
            var kernel = new HostedServerKernel(this, new ServerKernelRecord(launch.KernelId, id, prepared?.Session, adopted is not null));
            if (prepared?.Folder is { } folder)
            {
                OpenReach(folder);
            }

            await LearnFolderAsync(either.Token);
            lock (_gate)
            {
                if (_ending is not null)
                {
                    throw new GatewayException(ErrorCode.KernelFailed, "The sandbox was ended meanwhile.");
                }

                _kernels[launch.KernelId] = kernel;
            }

            return kernel;
        }
        catch (Exception e)
        {
            if (adopted is null)
            {
                await EndUnwantedAsync(id);
            }

            throw e is KernelException
                ? new GatewayException(ErrorCode.KernelFailed, $"The kernel did not become ready: {e.Message}", inner: e)
                : e is OperationCanceledException && !cancellationToken.IsCancellationRequested ? new GatewayException(ErrorCode.KernelFailed, "The sandbox was ended meanwhile.", inner: e)
                : e;
        }
    }

    public HostDescription Describe()
    {
        var state = _plan with { Kernels = [.. _kernels.Values.Select(kernel => kernel.Record)], Adopts = _adopts, Folder = _folder, Place = _place.Describe() };
        return new HostDescription(_place.Variant, _place.SandboxId, JsonSerializer.SerializeToElement(state, ServerHostState.Json));
    }

    internal Task<KernelClient> ConnectAsync(string serverId, KernelClientOptions options, CancellationToken cancellationToken) =>
        KernelClient.ConnectAsync(_place.Access.KernelOf(serverId, _http), options, cancellationToken);

    internal Task InterruptAsync(string serverId, CancellationToken cancellationToken) => _api.InterruptAsync(serverId, cancellationToken);

    private async Task<string> StartAsync(string name, CancellationToken cancellationToken)
    {
        var names = await _api.KernelNamesAsync(cancellationToken);
        return names.Contains(name, StringComparer.OrdinalIgnoreCase)
            ? await _api.StartAsync(name, cancellationToken)
            : throw new GatewayException(ErrorCode.KernelFailed, $"The server has no kernel '{name}'; it has: {Native.TextTail.Clean(string.Join(", ", names), 300)}.", "environment");
    }

    private async Task<string> FindAsync(string id, CancellationToken cancellationToken) => await _api.FindAsync(id, cancellationToken) switch
    {
        null => throw new GatewayException(ErrorCode.InvalidArgument, $"The server has no kernel '{id}'.", "kernelId"),
        "dead" => throw new GatewayException(ErrorCode.InvalidArgument, $"The kernel '{id}' has died.", "kernelId"),
        _ => id,
    };

    /// <returns>What is known of it then; <c>null</c> for one that belongs to somebody, of whom nothing is asked that would have to wait.</returns>
    private async Task<PreparedKernel?> PrepareAsync(string id, bool isAdopted, Dictionary<string, string> variables, string? folder, CancellationToken cancellationToken)
    {
        if (isAdopted)
        {
            var own = _plan.Environment.Variables;
            return string.IsNullOrEmpty(folder) && variables.All(variable => own.TryGetValue(variable.Key, out var value) && value == variable.Value)
                ? null
                : throw new GatewayException(ErrorCode.NotSupported, "A kernel that lives already takes no 'env' and no 'cwd'. Run code that sets them.", "env");
        }

        folder = string.IsNullOrEmpty(folder) ? null : folder.StartsWith('/') || _place.WorkFolder is not { } work ? folder : $"{work}/{folder}";
        await using var client = await ConnectAsync(id, new KernelClientOptions { ConnectTimeout = TimeSpan.FromSeconds(60) }, cancellationToken);
        return await KernelPreparation.RunAsync(client, variables, folder, cancellationToken);
    }

    private async Task EndUnwantedAsync(string serverId)
    {
        try
        {
            await _api.DeleteAsync(serverId, CancellationToken.None);
        }
        catch (GatewayException e)
        {
            LogUnwanted(_log, _place.SandboxId, serverId, e.Message);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Kernel {KernelId} of sandbox {SandboxId} in its server, which nobody needs, could not be ended: {Problem}")]
    private static partial void LogUnwanted(ILogger logger, string sandboxId, string kernelId, string problem);
}
