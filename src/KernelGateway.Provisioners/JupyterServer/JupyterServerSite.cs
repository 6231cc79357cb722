using System.Security.Cryptography;
using System.Text.Json.Nodes;
using KernelGateway.Core.Errors;
using KernelGateway.Provisioners.Native;
using KernelGateway.Provisioners.Process;

namespace KernelGateway.Provisioners.JupyterServer;

/// <summary>Starts Jupyter Servers as processes of this host, one for a sandbox.</summary>
/// <remarks>They listen at a unix socket that is the gateway's own: no port that somebody else could take or reach, and no wait for full packets.</remarks>
internal sealed class JupyterServerSite(JupyterServerOptions options, ServerReach reach, TimeProvider time)
{
    internal ProcessGround Ground { get; } = new(options.StateFolder, "The Jupyter Server", time);

    /// <summary>Starts a server that outlives us; it does not answer yet. On failure nothing is left.</summary>
    /// <exception cref="GatewayException">With what it said.</exception>
    internal Task<StartedPlace> StartAsync(string id)
    {
        var folders = FoldersOf(id);
        return Ground.StartAsync(id, [folders.Root, folders.Work, folders.Sockets, folders.Tmp, folders.Config], async () =>
        {
            var token = RandomNumberGenerator.GetHexString(64, lowercase: true);
            await WriteConfigurationAsync(folders, token);

            // Kernels inherit them.
            var variables = Ground.VariablesOf(id, folders.Work, folders.Tmp);
            variables["JUPYTER_CONFIG_DIR"] = folders.Config;
            var process = await Ground.RunAsync([options.PythonPath, "-m", "jupyter_server"], folders.Work, folders.Stdio, variables);
            return Open(id, process, new ServerAccess(new Uri("http://localhost/"), token, folders.Socket));
        });
    }

    /// <summary>Finds a server again; <c>null</c> when it has ended, or when its number means another process by now.</summary>
    internal StartedPlace? Reopen(string id, int pid, string startedAt, ServerAccess access) =>
        Ground.Find(id, pid, startedAt) is { } process ? Open(id, process, access) : null;

    internal PlaceFolders FoldersOf(string id) => new(Ground.RootOf(id), Ground.SocketsOf(id));

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

    /// <summary>Where one sandbox lies.</summary>
    internal sealed record PlaceFolders(string Root, string Sockets)
    {
        internal string Socket => Path.Combine(Sockets, "j");

        internal string Work => Path.Combine(Root, "work");

        /// <summary>Beside the socket: what runs there makes sockets of its own below it.</summary>
        internal string Tmp => Path.Combine(Sockets, "t");

        internal string Config => Path.Combine(Root, "config");

        internal string Stdio => Path.Combine(Root, "stdio");
    }
}
