using System.ComponentModel;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using KernelGateway.Core.Errors;
using KernelGateway.Provisioners.Launcher;
using KernelGateway.Provisioners.Native;
using KernelGateway.Provisioners.Process;

namespace KernelGateway.Provisioners.JupyterServer;

/// <summary>Starts Jupyter Servers as processes of this host, one for a sandbox, and removes all that is left of them.</summary>
/// <remarks>They listen at a unix socket that is the gateway's own: no port that somebody else could take or reach, and no wait for full packets.</remarks>
internal sealed class JupyterServerSite(JupyterServerOptions options, ServerReach reach, TimeProvider time)
{
    private const string MarkName = KernelPlan.PlaceMarkPrefix + "PLACE";
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private static readonly TimeSpan CallDeadline = TimeSpan.FromSeconds(30);

    private readonly HeldPlaces _held = new();

    private string Places => Path.Combine(options.StateFolder, "places");

    /// <summary>Starts a server that outlives us; it does not answer yet. On failure nothing is left.</summary>
    /// <exception cref="GatewayException">With what it said.</exception>
    internal async Task<StartedPlace> StartAsync(string id)
    {
        var folders = FoldersOf(id);
        if (Directory.Exists(folders.Root) || !_held.TryHold(id))
        {
            throw new GatewayException(ErrorCode.Conflict, $"There is a sandbox '{id}' on this host already.");
        }

        try
        {
            foreach (var folder in new[] { folders.Root, folders.Work, folders.Tmp, folders.Config, Path.GetDirectoryName(folders.Socket)! })
            {
                Directory.CreateDirectory(folder, OwnerOnly);
            }

            var token = RandomNumberGenerator.GetHexString(64, lowercase: true);
            await WriteConfigurationAsync(folders, token);
            var pid = await ExternalProgram.StartAloneAsync([options.PythonPath, "-m", "jupyter_server"], folders.Work, folders.Stdio, CallDeadline, time, VariablesOf(folders, id));
            var process = WatchedProcess.Open(pid) ?? throw new GatewayException(ErrorCode.KernelFailed, $"The Jupyter Server ended at once. {TextTail.OfFile(folders.Stdio)}");
            return Open(id, process, new ServerAccess(new Uri("http://localhost/"), token, folders.Socket));
        }
        catch (Exception error)
        {
            await RemoveAsync(id);
            if (error is IOException or UnauthorizedAccessException or Win32Exception or TimeoutException)
            {
                throw new GatewayException(ErrorCode.KernelFailed, $"The Jupyter Server could not be started: {error.Message}", inner: error);
            }

            throw;
        }
    }

    /// <summary>Finds a server again; <c>null</c> when it has ended, or when its number means another process by now.</summary>
    internal StartedPlace? Reopen(string id, int pid, string startedAt, ServerAccess access)
    {
        var process = WatchedProcess.Open(pid, startedAt);
        if (process is null)
        {
            return null;
        }

        _held.Hold(id);
        return Open(id, process, access);
    }

    /// <summary>Waits, at most as long as that.</summary>
    internal Task WaitAsync(Task what, TimeSpan atMost) => Task.WhenAny(what, Task.Delay(atMost, time));

    /// <summary>Kills what is left of a sandbox and removes its folders. Can be repeated after a failure.</summary>
    /// <exception cref="IOException">Something could not be removed.</exception>
    internal async Task RemoveAsync(string id)
    {
        var folders = FoldersOf(id);
        await new MarkedProcesses(MarkName, MarkOf(id), time).KillAsync();

        // The folder that names the sandbox last: while it is there, a sweep finds the rest.
        await FolderRemoval.RemoveAsync(Path.GetDirectoryName(folders.Socket)!, time);
        await FolderRemoval.RemoveAsync(folders.Root, time);
        LetGo(id);
    }

    internal void LetGo(string id) => _held.LetGo(id);

    /// <inheritdoc cref="HeldPlaces.RemoveOrphansAsync"/>
    internal Task<IReadOnlyList<string>> RemoveOrphansAsync(IReadOnlySet<string> known, Action<string, IOException> failed, CancellationToken cancellationToken) =>
        _held.RemoveOrphansAsync(Places, known, RemoveAsync, failed, cancellationToken);

    /// <summary>Removes the copies of sandboxes that are neither known nor held.</summary>
    internal Task SweepCopiesAsync(IReadOnlySet<string> known, Action<string, IOException> failed, CancellationToken cancellationToken) =>
        reach.SweepAsync(known, _held, failed, time, cancellationToken);

    internal PlaceFolders FoldersOf(string id)
    {
        // A socket's path ends at 107 bytes, and ids may be long.
        var name = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(id)))[..12];
        return new PlaceFolders(Path.Combine(Places, id), Path.Combine(options.StateFolder, "s", name, "j"));
    }

    private StartedPlace Open(string id, WatchedProcess process, ServerAccess access) => new(this, process) { SandboxId = id, Access = access, Reach = reach };

    /// <summary>In a file and not in arguments or variables, which others can read or kernels inherit.</summary>
    private static Task WriteConfigurationAsync(PlaceFolders folders, string token)
    {
        var configuration = new JsonObject
        {
            ["ServerApp"] = new JsonObject
            {
                ["token"] = token,
                ["sock"] = folders.Socket,
                ["sock_mode"] = "0600",
                ["root_dir"] = folders.Work,
                ["allow_root"] = true,
                ["open_browser"] = false,
                ["terminals_enabled"] = false,

                // It would leave out what is printed fast.
                ["iopub_msg_rate_limit"] = 0,
                ["iopub_data_rate_limit"] = 0,
            },
        };
        return File.WriteAllTextAsync(Path.Combine(folders.Config, "jupyter_server_config.json"), configuration.ToJsonString());
    }

    /// <summary>Made from nothing: the gateway's own environment may hold secrets. Kernels inherit it.</summary>
    private Dictionary<string, string> VariablesOf(PlaceFolders folders, string id) => new()
    {
        ["PATH"] = "/usr/local/bin:/usr/bin:/bin",
        ["HOME"] = folders.Work,
        ["LANG"] = "C.UTF-8",
        ["LC_ALL"] = "C.UTF-8",
        ["TMPDIR"] = folders.Tmp,
        ["IPYTHONDIR"] = Path.Combine(folders.Tmp, "ipython"),
        ["JUPYTER_CONFIG_DIR"] = folders.Config,
        ["JUPYTER_RUNTIME_DIR"] = Path.Combine(folders.Tmp, "jupyter-runtime"),
        ["JUPYTER_DATA_DIR"] = Path.Combine(folders.Tmp, "jupyter-data"),
        ["MPLCONFIGDIR"] = Path.Combine(folders.Tmp, "matplotlib"),
        [MarkName] = MarkOf(id),
    };

    private string MarkOf(string id) => $"{options.StateFolder}:{id}";

    /// <summary>Where one sandbox lies.</summary>
    internal sealed record PlaceFolders(string Root, string Socket)
    {
        internal string Work => Path.Combine(Root, "work");

        /// <summary>Beside the socket: what runs there makes sockets of its own below it.</summary>
        internal string Tmp => Path.Combine(Path.GetDirectoryName(Socket)!, "t");

        internal string Config => Path.Combine(Root, "config");

        internal string Stdio => Path.Combine(Root, "stdio");
    }
}
