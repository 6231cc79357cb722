using System.ComponentModel;
using System.Security.Cryptography;
using System.Text;
using KernelGateway.Core.Errors;
using KernelGateway.Provisioners.Launcher;
using KernelGateway.Provisioners.Native;

namespace KernelGateway.Provisioners.Process;

/// <summary>Starts agents as processes of this host and removes all that is left of them.</summary>
internal sealed class ProcessSite(ProcessProvisionerOptions options, TimeProvider time)
{
    private const string MarkName = KernelPlan.PlaceMarkPrefix + "PLACE";
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private static readonly TimeSpan CallDeadline = TimeSpan.FromSeconds(30);

    private readonly HeldPlaces _held = new();

    private string Places => Path.Combine(options.StateFolder, "places");

    /// <summary>Starts an agent that is not our child and has its own session, so that it outlives us. On failure nothing is left.</summary>
    /// <exception cref="GatewayException">With what the agent said.</exception>
    internal async Task<ProcessPlace> StartAsync(string id)
    {
        var folders = FoldersOf(id);
        if (Directory.Exists(folders.Root) || !_held.TryHold(id))
        {
            throw new GatewayException(ErrorCode.Conflict, $"There is a sandbox '{id}' on this host already.");
        }

        try
        {
            foreach (var folder in new[] { folders.Root, folders.Sockets, folders.Logs, folders.Work, folders.Tmp })
            {
                Directory.CreateDirectory(folder, OwnerOnly);
            }

            var process = WatchedProcess.Open(await RunAgentAsync(folders, id))
                ?? throw new GatewayException(ErrorCode.KernelFailed, $"The agent ended at once. {TextTail.OfFile(folders.Stdio)}");
            return Open(id, process);
        }
        catch (Exception error)
        {
            await RemoveAsync(id);
            if (error is IOException or UnauthorizedAccessException or Win32Exception or TimeoutException)
            {
                throw new GatewayException(ErrorCode.KernelFailed, $"The agent could not be started: {error.Message}", inner: error);
            }

            throw;
        }
    }

    /// <summary>Finds an agent again; <c>null</c> when it has ended, or when its number means another process by now.</summary>
    internal ProcessPlace? Reopen(string id, int pid, string startedAt)
    {
        var process = WatchedProcess.Open(pid, startedAt);
        if (process is null)
        {
            return null;
        }

        _held.Hold(id);
        return Open(id, process);
    }

    internal TimeProvider Time => time;

    internal Task KillAsync(string id) => ProcessesOf(id).KillAsync();

    /// <summary>What belongs to a sandbox, whoever started it.</summary>
    internal MarkedProcesses ProcessesOf(string id) => new(MarkName, MarkOf(id), time);

    /// <summary>Kills what is left of a sandbox and removes its folders. Can be repeated after a failure.</summary>
    /// <exception cref="IOException">Something could not be removed.</exception>
    internal async Task RemoveAsync(string id)
    {
        await KillAsync(id);
        // The folder that names the sandbox last: while it is there, a sweep finds the rest.
        await FolderRemoval.RemoveAsync(FoldersOf(id).Sockets, time);
        await FolderRemoval.RemoveAsync(FoldersOf(id).Root, time);
        LetGo(id);
    }

    internal void LetGo(string id) => _held.LetGo(id);

    /// <inheritdoc cref="HeldPlaces.RemoveOrphansAsync"/>
    internal Task<IReadOnlyList<string>> RemoveOrphansAsync(IReadOnlySet<string> known, Action<string, IOException> failed, CancellationToken cancellationToken) =>
        _held.RemoveOrphansAsync(Places, known, RemoveAsync, failed, cancellationToken);

    internal PlaceFolders FoldersOf(string id)
    {
        // A socket's path ends at 107 bytes, and ids may be long.
        var name = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(id)))[..12];
        return new PlaceFolders(Path.Combine(Places, id), Path.Combine(options.StateFolder, "s", name));
    }

    private Task<int> RunAgentAsync(PlaceFolders folders, string id) => ExternalProgram.StartAloneAsync(
        LauncherCommand.For(options.PythonPath, options.LauncherFolder, folders.Sockets, folders.Logs, folders.Tmp), "/", folders.Stdio, CallDeadline, time, VariablesOf(folders, id));

    private ProcessPlace Open(string id, WatchedProcess process)
    {
        var folders = FoldersOf(id);
        try
        {
            return new ProcessPlace(this, process, ProcessesOf(id))
            {
                SandboxId = id,
                Uid = LibC.GetEffectiveUid(),
                Sockets = FolderHandle.Open(folders.Sockets),
                SocketsInside = folders.Sockets,
                LauncherInside = options.LauncherFolder,
                WorkInside = folders.Work,
                LogsOnHost = folders.Logs,
                Variables = VariablesOf(folders, id),
            };
        }
        catch
        {
            process.Dispose();
            throw;
        }
    }

    /// <summary>Made from nothing: the gateway's own environment may hold secrets.</summary>
    private Dictionary<string, string> VariablesOf(PlaceFolders folders, string id) => new()
    {
        ["PATH"] = "/usr/local/bin:/usr/bin:/bin",
        ["HOME"] = folders.Work,
        ["LANG"] = "C.UTF-8",
        ["LC_ALL"] = "C.UTF-8",
        ["TMPDIR"] = folders.Tmp,
        ["IPYTHONDIR"] = Path.Combine(folders.Tmp, "ipython"),
        ["JUPYTER_RUNTIME_DIR"] = Path.Combine(folders.Tmp, "jupyter-runtime"),
        ["JUPYTER_DATA_DIR"] = Path.Combine(folders.Tmp, "jupyter-data"),
        ["JUPYTER_CONFIG_DIR"] = Path.Combine(folders.Tmp, "jupyter-config"),
        ["MPLCONFIGDIR"] = Path.Combine(folders.Tmp, "matplotlib"),
        [MarkName] = MarkOf(id),
    };

    private string MarkOf(string id) => $"{options.StateFolder}:{id}";

    /// <summary>Where one sandbox lies.</summary>
    internal sealed record PlaceFolders(string Root, string Sockets)
    {
        internal string Logs => Path.Combine(Root, "logs");

        internal string Work => Path.Combine(Root, "work");

        internal string Tmp => Path.Combine(Root, "tmp");

        internal string Stdio => Path.Combine(Root, "stdio");
    }
}
