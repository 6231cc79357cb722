using System.Collections.Concurrent;
using System.Text.Json;
using KernelGateway.Core.Environments;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Files;
using Microsoft.Extensions.Logging;

namespace KernelGateway.Provisioners.Launcher;

/// <summary>A place whose kernels are started by an agent in it; the same for every variant, only the <see cref="LauncherPlace"/> differs.</summary>
internal sealed partial class LauncherHost : IKernelHost, IFileHost
{
    /// <summary>Ended kernels that are remembered, as many as the agent does.</summary>
    private const int MaxEnded = 32;

    /// <summary>Between the end of the connection and that of the process, in either order.</summary>
    private static readonly TimeSpan Settling = TimeSpan.FromSeconds(2);

    private readonly LauncherPlace _place;
    private readonly EnvironmentDefinition _environment;
    private readonly IReadOnlyDictionary<string, string> _variables;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly PlaceFiles _files;
    private readonly ConcurrentDictionary<string, LauncherKernel> _kernels = new();
    private readonly TaskCompletionSource<HostExit> _exited = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _gate = new();
    private LauncherClient? _client;
    private Task _watching = Task.CompletedTask;
    private Task? _ending;
    private long _oomSeen;
    private long _launched;
    private volatile bool _terminating;
    private volatile bool _released;

    private LauncherHost(LauncherPlace place, EnvironmentDefinition environment, IReadOnlyDictionary<string, string> variables, TimeProvider time, ILogger log)
    {
        _place = place;
        _environment = environment;
        _variables = variables;
        _time = time;
        _log = log;
        _files = new PlaceFiles(place.Files, place.Uid, time);
    }

    public ISandboxFiles Files => _files;

    public IReadOnlyCollection<IHostedKernel> Kernels => [.. _kernels.Values];

    public Task<HostExit> Exited => _exited.Task;

    public string? RunsOn => _place.RunsOn;

    public DiskUse? MeasureDisk() => _place.MeasureDisk();

    public IEgressDoor? Egress => _place.Egress is { } folder && _client is not null ? new EgressDoor(folder, _place.EgressInside, _place.Uid, Client) : null;

    public TPower? PowerOf<TPower>()
        where TPower : class => typeof(TPower) == typeof(IPausable) && _place.Freezer is null ? null : this as TPower ?? _place as TPower;

    private LauncherClient Client => _client ?? throw new InvalidOperationException("Not connected.");

    public async Task<IHostedKernel> LaunchKernelAsync(KernelLaunch launch, CancellationToken cancellationToken)
    {
        var (record, request) = KernelPlan.Make(launch, _environment, _variables, _place);
        var kernel = new LauncherKernel(this, record, _place, Interlocked.Increment(ref _launched));
        if (_terminating || _released || Exited.IsCompleted)
        {
            throw new GatewayException(ErrorCode.KernelFailed, "The sandbox has ended or is being ended.");
        }

        if (!_kernels.TryAdd(record.Id, kernel))
        {
            throw new GatewayException(ErrorCode.KernelFailed, $"A kernel of the id '{record.Id}' has been launched here before.");
        }

        try
        {
            await Client.LaunchAsync(request, cancellationToken);
        }
        catch (Exception error)
        {
            _kernels.TryRemove(record.Id, out _);
            if (error is OperationCanceledException or { InnerException: TimeoutException })
            {
                // It may have been started all the same. Nobody waits for this: it says itself when it fails.
                _ = KillUnwantedAsync(record.Id);
            }

            throw;
        }

        if (Exited.IsCompleted)
        {
            // Ended after the agent's answer and before or while all kernels were told.
            kernel.EndWithPlace(await Exited);
        }

        return kernel;
    }

    public Task TerminateAsync(TimeSpan grace, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(grace, TimeSpan.Zero);
        lock (_gate)
        {
            if (_ending is null || _ending.IsFaulted)
            {
                ObjectDisposedException.ThrowIf(_released, this);
                _terminating = true;
                // Not bound to the caller's token: what has begun to end is ended.
                _ending = Task.Run(() => EndAsync(grace), CancellationToken.None);
            }

            return _ending.WaitAsync(cancellationToken);
        }
    }

    public HostDescription Describe()
    {
        var state = new LauncherState(
            _environment,
            _variables,
            [.. _kernels.Values.OrderBy(kernel => kernel.Number).Select(kernel => kernel.Record)],
            Interlocked.Read(ref _oomSeen),
            _place.Describe());
        return new HostDescription(_place.Variant, _place.SandboxId, JsonSerializer.SerializeToElement(state, LauncherState.Json));
    }

    /// <summary>Lets go of the place. Its tasks that have not completed never will: what happens there from now on is for the next who attaches.</summary>
    public async ValueTask DisposeAsync()
    {
        Task? ending;
        lock (_gate)
        {
            _released = true;
            ending = _ending;
        }

        if (ending is not null)
        {
            // Its failure was for who asked for the end.
            await ending.ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        }

        await _files.CloseAsync();
        await DisconnectAsync();
        await _watching;
        _files.Dispose();
        _place.Dispose();
    }

    internal Task SignalAsync(string kernel, int signal, bool group, CancellationToken cancellationToken) =>
        Client.SignalAsync(kernel, signal, group, cancellationToken);

    internal Task TerminateChildrenAsync(string kernel, CancellationToken cancellationToken) =>
        Client.TerminateChildrenAsync(kernel, cancellationToken);

    private async Task KillUnwantedAsync(string kernel)
    {
        try
        {
            await Client.SignalAsync(kernel, Native.LibC.SigKill, group: true, CancellationToken.None);
        }
        catch (GatewayException error)
        {
            LogUnwanted(_log, _place.SandboxId, kernel, error.Message);
        }
    }

    private void KernelEnded(string id, AgentExit exit)
    {
        if (!_kernels.TryGetValue(id, out var kernel))
        {
            return;
        }

        kernel.End(exit, _terminating, outOfMemory: TakeOom());
        foreach (var old in _kernels.Values.Where(other => other.Exited.IsCompleted).OrderByDescending(other => other.Number).Skip(MaxEnded))
        {
            _kernels.TryRemove(old.Id, out _);
        }
    }

    /// <summary>True when a process was ended for want of memory since the last question.</summary>
    private bool TakeOom()
    {
        var count = _place.OomKills();
        return count > Interlocked.Exchange(ref _oomSeen, count);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Kernel {KernelId} of sandbox {SandboxId}, which nobody can use, could not be killed: {Problem}")]
    private static partial void LogUnwanted(ILogger logger, string sandboxId, string kernelId, string problem);
}
