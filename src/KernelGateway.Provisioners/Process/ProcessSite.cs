using KernelGateway.Core.Errors;
using KernelGateway.Provisioners.Launcher;
using KernelGateway.Provisioners.Native;

namespace KernelGateway.Provisioners.Process;

/// <summary>Starts agents as processes of this host.</summary>
internal sealed class ProcessSite(ProcessProvisionerOptions options, TimeProvider time)
{
    internal ProcessGround Ground { get; } = new(options.StateFolder, "The agent", time);

    /// <summary>Starts an agent that outlives us. On failure nothing is left.</summary>
    /// <exception cref="GatewayException">With what the agent said.</exception>
    internal Task<ProcessPlace> StartAsync(string id)
    {
        var folders = FoldersOf(id);
        return Ground.StartAsync(id, [folders.Root, folders.Sockets, folders.Logs, folders.Work, folders.Tmp], async () =>
        {
            var command = LauncherCommand.For(options.PythonPath, options.LauncherFolder, folders.Sockets, folders.Logs, folders.Tmp);
            return Open(id, await Ground.RunAsync(command, "/", folders.Stdio, Ground.VariablesOf(id, folders.Work, folders.Tmp)));
        });
    }

    /// <summary>Finds an agent again; <c>null</c> when it has ended, or when its number means another process by now.</summary>
    internal ProcessPlace? Reopen(string id, int pid, string startedAt) => Ground.Find(id, pid, startedAt) is { } process ? Open(id, process) : null;

    internal PlaceFolders FoldersOf(string id) => new(Ground.RootOf(id), Ground.SocketsOf(id));

    private ProcessPlace Open(string id, WatchedProcess process)
    {
        var folders = FoldersOf(id);
        try
        {
            return new ProcessPlace(this, process, Ground.ProcessesOf(id))
            {
                SandboxId = id,
                Uid = LibC.GetEffectiveUid(),
                Sockets = FolderHandle.Open(folders.Sockets),
                SocketsInside = folders.Sockets,
                LauncherInside = options.LauncherFolder,
                WorkInside = folders.Work,
                LogsOnHost = folders.Logs,
                Variables = Ground.VariablesOf(id, folders.Work, folders.Tmp),
            };
        }
        catch
        {
            process.Dispose();
            throw;
        }
    }

    /// <summary>Where one sandbox lies.</summary>
    internal sealed record PlaceFolders(string Root, string Sockets)
    {
        internal string Logs => Path.Combine(Root, "logs");

        internal string Work => Path.Combine(Root, "work");

        internal string Tmp => Path.Combine(Root, "tmp");

        internal string Stdio => Path.Combine(Root, "stdio");
    }
}
