using System.ComponentModel;
using System.Security.Cryptography;
using System.Text;
using KernelGateway.Core.Errors;
using KernelGateway.Provisioners.Launcher;
using KernelGateway.Provisioners.Native;

namespace KernelGateway.Provisioners.Process;

/// <summary>What sandboxes that are plain processes of this host have on it, whatever runs in them: two folders, and a mark that their processes carry.</summary>
/// <param name="state">The folder of the variant's state.</param>
/// <param name="what">What is started for a sandbox, as messages call it.</param>
/// <param name="time">The clock.</param>
internal sealed class ProcessGround(string state, string what, TimeProvider time)
{
    private const string MarkName = KernelPlan.PlaceMarkPrefix + "PLACE";
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private static readonly TimeSpan CallDeadline = TimeSpan.FromSeconds(30);

    internal TimeProvider Time => time;

    /// <summary>Those that this process makes or holds.</summary>
    internal HeldPlaces Held { get; } = new();

    private string Places => Path.Combine(state, "places");

    /// <summary>The folder that stands for a sandbox.</summary>
    internal string RootOf(string id) => Path.Combine(Places, id);

    /// <summary>The folder of its sockets: their paths end at 107 bytes, and ids may be long.</summary>
    internal string SocketsOf(string id) =>
        Path.Combine(state, "s", Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(id)))[..12]);

    /// <summary>What belongs to a sandbox, whoever started it.</summary>
    internal MarkedProcesses ProcessesOf(string id) => new(MarkName, MarkOf(id), time);

    /// <summary>The environment of all that runs in a sandbox. Made from nothing: the gateway's own may hold secrets.</summary>
    /// <param name="id">The sandbox's id.</param>
    /// <param name="work">Its home.</param>
    /// <param name="tmp">Where settings and caches of libraries go.</param>
    internal Dictionary<string, string> VariablesOf(string id, string work, string tmp) => new()
    {
        ["PATH"] = "/usr/local/bin:/usr/bin:/bin",
        ["HOME"] = work,
        ["LANG"] = "C.UTF-8",
        ["LC_ALL"] = "C.UTF-8",
        ["TMPDIR"] = tmp,
        ["IPYTHONDIR"] = Path.Combine(tmp, "ipython"),
        ["JUPYTER_RUNTIME_DIR"] = Path.Combine(tmp, "jupyter-runtime"),
        ["JUPYTER_DATA_DIR"] = Path.Combine(tmp, "jupyter-data"),
        ["JUPYTER_CONFIG_DIR"] = Path.Combine(tmp, "jupyter-config"),
        ["MPLCONFIGDIR"] = Path.Combine(tmp, "matplotlib"),
        [MarkName] = MarkOf(id),
    };

    /// <summary>Makes a sandbox. On failure nothing is left.</summary>
    /// <param name="id">Its id.</param>
    /// <param name="folders">All its folders, in the order in which they are made.</param>
    /// <param name="start">Starts what runs in it, and opens it.</param>
    /// <exception cref="GatewayException">With what was said.</exception>
    internal async Task<TPlace> StartAsync<TPlace>(string id, IEnumerable<string> folders, Func<Task<TPlace>> start)
    {
        if (Directory.Exists(RootOf(id)) || !Held.TryHold(id))
        {
            throw new GatewayException(ErrorCode.Conflict, $"There is a sandbox '{id}' on this host already.");
        }

        try
        {
            foreach (var folder in folders)
            {
                Directory.CreateDirectory(folder, OwnerOnly);
            }

            return await start();
        }
        catch (Exception error)
        {
            await RemoveAsync(id);
            if (error is IOException or UnauthorizedAccessException or Win32Exception or TimeoutException)
            {
                throw new GatewayException(ErrorCode.KernelFailed, $"{what} could not be started: {error.Message}", inner: error);
            }

            throw;
        }
    }

    /// <summary>Starts a process that is not our child and has its own session, so that it outlives us.</summary>
    /// <param name="command">The program and its arguments.</param>
    /// <param name="folder">Where it starts.</param>
    /// <param name="stdio">The file for what it says.</param>
    /// <param name="variables">Its environment.</param>
    /// <exception cref="GatewayException">It ended at once.</exception>
    internal async Task<WatchedProcess> RunAsync(IEnumerable<string> command, string folder, string stdio, IReadOnlyDictionary<string, string> variables) =>
        WatchedProcess.Open(await ExternalProgram.StartAloneAsync(command, folder, stdio, CallDeadline, time, variables))
        ?? throw new GatewayException(ErrorCode.KernelFailed, $"{what} ended at once. {TextTail.OfFile(stdio)}");

    /// <summary>Finds the process of a sandbox again; <c>null</c> when it has ended, or when its number means another process by now.</summary>
    internal WatchedProcess? Find(string id, int pid, string startedAt)
    {
        var process = WatchedProcess.Open(pid, startedAt);
        if (process is not null)
        {
            Held.Hold(id);
        }

        return process;
    }

    /// <summary>Kills what is left of a sandbox and removes its folders. Can be repeated after a failure.</summary>
    /// <exception cref="IOException">Something could not be removed.</exception>
    internal async Task RemoveAsync(string id)
    {
        await ProcessesOf(id).KillAsync();

        // The folder that names the sandbox last: while it is there, a sweep finds the rest.
        await FolderRemoval.RemoveAsync(SocketsOf(id), time);
        await FolderRemoval.RemoveAsync(RootOf(id), time);
        Held.LetGo(id);
    }

    /// <inheritdoc cref="HeldPlaces.RemoveOrphansAsync"/>
    internal Task<IReadOnlyList<string>> RemoveOrphansAsync(IReadOnlySet<string> known, Action<string, IOException> failed, CancellationToken cancellationToken) =>
        Held.RemoveOrphansAsync(Places, known, RemoveAsync, failed, cancellationToken);

    private string MarkOf(string id) => $"{state}:{id}";
}
