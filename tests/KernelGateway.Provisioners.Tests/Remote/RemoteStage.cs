using System.Collections.Concurrent;
using KernelGateway.Core.KernelLogs;
using KernelGateway.Core.Provisioning;
using KernelGateway.Jupyter;
using KernelGateway.Provisioners.Remote;
using KernelGateway.Provisioners.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;

namespace KernelGateway.Provisioners.Tests.Remote;

/// <summary>A folder that plays the server's machine, a utility kernel there, and the gateway's side of it. All is ended and removed when disposed.</summary>
internal sealed class RemoteStage : IAsyncDisposable
{
    private readonly StateFolder _folder = new();
    private readonly SemaphoreSlim _starting = new(1, 1);
    private readonly bool _isShared;
    private RealKernel? _utility;

    /// <param name="shared">A utility kernel for tests that do it no harm, which outlives the stage; null: one of its own.</param>
    /// <param name="deadline">Within what time it must answer.</param>
    /// <param name="agentIdle">How long the agent of commands stays when nobody needs it.</param>
    /// <param name="isWholeMachine">Whether files outside of its folder can be reached too.</param>
    internal RemoteStage(RealKernel? shared = null, TimeSpan? deadline = null, TimeSpan? agentIdle = null, bool isWholeMachine = false)
    {
        (_utility, _isShared) = (shared, shared is not null);
        Directory.CreateDirectory(Work);
        Place = new RemotePlace
        {
            Name = Guid.NewGuid().ToString("N"),
            LauncherFolder = Repository.Launcher,
            Folder = Work,
            IsWholeMachine = isWholeMachine,
            LogsFolder = Path.Combine(_folder.Path, "logs"),
            AnswerDeadline = deadline ?? TimeSpan.FromSeconds(10),
            AgentIdle = agentIdle ?? TimeSpan.FromHours(1),
            Variables = new Dictionary<string, string> { ["OF_PLACE"] = "place" },
        };
        Begin();
    }

    internal string Work => Path.Combine(_folder.Path, "work");

    internal RemotePlace Place { get; }

    internal RemoteKernel Kernel { get; private set; } = null!;

    internal RemoteFiles Files { get; private set; } = null!;

    internal RemoteCommands Commands { get; private set; } = null!;

    /// <summary>How often a utility kernel was asked for.</summary>
    internal int Asked { get; private set; }

    internal ConcurrentDictionary<string, SemaphoreSlim> Activity { get; } = new();

    internal RealKernel Utility => _utility!;

    /// <summary>The gateway's side is gone, as when it is killed; the other side lives on, and a new one begins.</summary>
    internal async Task BeginAnewAsync()
    {
        await Commands.DisposeAsync();
        await Kernel.DisposeAsync();
        Begin();
    }

    internal async Task KillUtilityAsync()
    {
        _utility!.Kill();
        await _utility.WaitForExitAsync();
    }

    /// <summary>Reads the log of a command to its end, as the sandbox does; acknowledges all the time.</summary>
    internal async Task<CommandTranscript> ReadAsync(string command, CancellationToken cancellationToken, KernelLogPosition? from = null, Func<CommandTranscript, bool>? until = null)
    {
        var transcript = new CommandTranscript();
        using var reader = KernelLogReader.Open(Commands.CommandLog(command), from ?? KernelLogPosition.Start, new KernelLogOptions());
        while (true)
        {
            while (reader.TryRead(out var record) || reader.Fault is not null)
            {
                transcript.Add(record, reader.Fault);
            }

            transcript.Position = reader.Position;
            reader.Acknowledge(reader.Position);
            if (transcript.End is not null || until?.Invoke(transcript) == true)
            {
                return transcript;
            }

            await ActivityOf(command).WaitAsync(TimeSpan.FromSeconds(1), cancellationToken);
        }
    }

    internal SemaphoreSlim ActivityOf(string command) => Activity.GetOrAdd(command, _ => new SemaphoreSlim(0));

    public async ValueTask DisposeAsync()
    {
        try
        {
            await Commands.TerminateAsync(TimeSpan.Zero, CancellationToken.None);
        }
        catch (Core.Errors.GatewayException)
        {
            // The test has closed it.
        }

        await Commands.DisposeAsync();
        await Kernel.DisposeAsync();
        if (_utility is not null && !_isShared)
        {
            await _utility.DisposeAsync();
        }

        _folder.Dispose();
    }

    private void Begin()
    {
        Kernel = new RemoteKernel(Place, ConnectAsync, TimeProvider.System);
        Files = new RemoteFiles(Place, Kernel, TimeProvider.System);
        Commands = new RemoteCommands(Place, Kernel, "no", TimeProvider.System, NullLogger.Instance);
        Commands.OnCommandActivity(command => ActivityOf(command).Release());
    }

    /// <summary>As a host does: the kernel that runs, or a new one.</summary>
    private async Task<KernelClient> ConnectAsync(CancellationToken cancellationToken)
    {
        await _starting.WaitAsync(cancellationToken);
        try
        {
            Asked++;
            if (_utility is { } ended && !IsAlive(ended.ProcessId))
            {
                await ended.DisposeAsync();
                _utility = null;
            }

            _utility ??= await RealKernel.StartAsync("ipc");
            return await _utility.ConnectAsync();
        }
        finally
        {
            _starting.Release();
        }
    }

    private static bool IsAlive(int pid) => File.Exists($"/proc/{pid}/stat") && !File.ReadAllText($"/proc/{pid}/stat").Contains(") Z ", StringComparison.Ordinal);
}
