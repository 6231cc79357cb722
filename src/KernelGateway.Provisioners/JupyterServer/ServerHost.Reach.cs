using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;
using KernelGateway.Jupyter;
using KernelGateway.Provisioners.Remote;
using Microsoft.Extensions.Logging;

namespace KernelGateway.Provisioners.JupyterServer;

/// <summary>Its files and commands, which are reached through a kernel of their own.</summary>
internal sealed partial class ServerHost : IFileHost
{
    private readonly UtilityKernel _utility;
    private readonly LateCommands _lateCommands;
    private readonly Lock _reachGate = new();
    private RemoteKernel? _remote;
    private RemoteFiles? _files;
    private RemoteCommands? _commands;

    public ISandboxFiles Files => _files ?? throw new GatewayException(
        ErrorCode.NotSupported, "The server did not tell in which folder its kernels work, so that its files can only be reached by code.");

    public Task OpenFilesAsync(CancellationToken cancellationToken) => LearnFolderAsync(cancellationToken);

    public TPower? PowerOf<TPower>()
        where TPower : class => this as TPower ?? _lateCommands as TPower;

    /// <summary>Finds a place again, with what was started in it.</summary>
    internal static async Task<ServerHost> FindAsync(ServerPlace place, ServerHostState state, HttpMessageInvoker http, TimeProvider time, ILogger log, CancellationToken cancellationToken)
    {
        var host = new ServerHost(place, state, http, time, log) { IsFoundAgain = true };
        try
        {
            await host.FindReachAsync(cancellationToken);
            return host;
        }
        catch
        {
            await host.DisposeAsync();
            throw;
        }
    }

    private async Task FindReachAsync(CancellationToken cancellationToken)
    {
        string? utility = null;
        try
        {
            utility = await _utility.FindAsync(cancellationToken);
            if (_place.IsOwn)
            {
                await EndUnknownAsync(utility, cancellationToken);
            }
        }
        catch (GatewayException e)
        {
            LogLeft(_log, _place.SandboxId, e.Message); // The server is away; its kernels' connections say so too.
        }

        if (_commands is not null && (utility is not null || Directory.Exists(_place.Reach.CopiesOf(_place.SandboxId))))
        {
            await _commands.FindAsync(cancellationToken);
        }
    }

    /// <summary>Started just before the gateway ended, and in no record: nobody can ever use them.</summary>
    private async Task EndUnknownAsync(string? utility, CancellationToken cancellationToken)
    {
        var known = _plan.Kernels.Select(kernel => kernel.ServerId).Append(utility).ToHashSet(StringComparer.Ordinal);
        foreach (var id in (await _api.ListAsync(cancellationToken)).Where(id => !known.Contains(id)))
        {
            await _api.DeleteAsync(id, cancellationToken);
        }
    }

    /// <summary>Files and commands, as soon as it is known which folder they are about.</summary>
    private void OpenReach(string folder)
    {
        lock (_reachGate)
        {
            if (_files is null)
            {
                OpenReachOnce(folder);
            }
        }
    }

    private void OpenReachOnce(string folder)
    {
        _folder = folder;
        var place = new RemotePlace
        {
            Name = _place.Reach.NameOf(_place.SandboxId),
            LauncherFolder = _place.Reach.LauncherFolder,
            Folder = folder,
            IsWholeMachine = _place.IsWholeMachine,
            LogsFolder = _place.Reach.CopiesOf(_place.SandboxId),
            Variables = Launcher.KernelPlan.Merge(_plan.Environment.Variables, [_plan.Variables]),
        };
        _remote = new RemoteKernel(place, _utility.ConnectAsync, _time);
        _commands = new RemoteCommands(place, _remote, _place.WhyNoSystemPackages, _time, _log);
        _lateCommands.Open(_commands);
        _files = new RemoteFiles(place, _remote, _time);
    }

    /// <summary>Has the utility kernel tell in which folder it works, where no other kernel has.</summary>
    private async Task LearnFolderAsync(CancellationToken cancellationToken)
    {
        if (_files is not null)
        {
            return;
        }

        try
        {
            await using var client = await _utility.ConnectAsync(cancellationToken);
            if (await KernelPreparation.FolderOfAsync(client, cancellationToken) is { } folder)
            {
                OpenReach(folder);
            }
        }
        catch (Exception e) when (e is GatewayException or KernelException)
        {
            LogNoReach(_log, _place.SandboxId, e.Message);
        }
    }

    /// <summary>Ends what was reached: commands, and the kernel they are reached through.</summary>
    private async Task EndReachAsync(TimeSpan grace)
    {
        try
        {
            if (await _utility.FindAsync(CancellationToken.None) is not null)
            {
                if (_commands is not null)
                {
                    await _commands.TerminateAsync(grace, CancellationToken.None);
                }

                await _utility.EndAsync(CancellationToken.None);
            }
        }
        catch (GatewayException e)
        {
            LogLeft(_log, _place.SandboxId, e.Message);
        }
    }

    /// <summary>Lets go of files and commands.</summary>
    private async Task CloseReachAsync()
    {
        if (_commands is not null)
        {
            await _commands.DisposeAsync();
        }

        if (_remote is not null)
        {
            await _remote.DisposeAsync();
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Files and commands of sandbox {SandboxId} cannot be reached: {Problem}")]
    private static partial void LogNoReach(ILogger logger, string sandboxId, string problem);
}
