using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace KernelGateway.Testing;

/// <summary>A real Jupyter Server (Debian's) on a port of 127.0.0.1, with a folder and a token of its own. Ended, with its kernels, when disposed.</summary>
public sealed class JupyterServerProcess : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly string _folder = Directory.CreateTempSubdirectory("kgjs").FullName;
    private readonly HttpClient _http;
    private Process? _process;

    private JupyterServerProcess(int port)
    {
        Port = port;
        _http = new HttpClient { BaseAddress = Address };
        _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("token", Token);
    }

    public int Port { get; }

    public Uri Address => new($"http://127.0.0.1:{Port}/");

    public string Token { get; } = Guid.NewGuid().ToString("N");

    public string Folder => Path.Combine(_folder, "work");

    /// <summary>Skips the test where there is none; fails it in CI.</summary>
    public static void Require()
    {
        Requires.Program(Requires.Python);
        Requires.Module("jupyter_server");
    }

    public static async Task<JupyterServerProcess> StartNewAsync()
    {
        using var holder = new TcpListener(IPAddress.Loopback, 0);
        holder.Start();
        var port = ((IPEndPoint)holder.LocalEndpoint).Port;
        holder.Stop();
        var server = new JupyterServerProcess(port);
        try
        {
            await server.StartAsync();
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts it, the first time or again on the same port with the same token.</summary>
    public async Task StartAsync()
    {
        Directory.CreateDirectory(Folder);
        Directory.CreateDirectory(Path.Combine(_folder, "config"));
        await File.WriteAllTextAsync(Path.Combine(_folder, "config", "jupyter_server_config.json"), new JsonObject
        {
            ["ServerApp"] = new JsonObject
            {
                ["token"] = Token, ["ip"] = "127.0.0.1", ["port"] = Port, ["port_retries"] = 0, ["root_dir"] = Folder,
                ["allow_root"] = true, ["open_browser"] = false, ["iopub_msg_rate_limit"] = 0, ["iopub_data_rate_limit"] = 0,
            },
        }.ToJsonString());
        var start = new ProcessStartInfo(Requires.Python, ["-m", "jupyter_server"]) { RedirectStandardError = true, RedirectStandardOutput = true, WorkingDirectory = Folder };
        start.Environment.Clear(); // Kernels inherit it.
        start.Environment["PATH"] = "/usr/bin:/bin";
        foreach (var (name, folder) in new[] { ("HOME", "home"), ("JUPYTER_CONFIG_DIR", "config"), ("JUPYTER_RUNTIME_DIR", "runtime"), ("JUPYTER_DATA_DIR", "data"), ("IPYTHONDIR", "ipython") })
        {
            start.Environment[name] = Path.Combine(_folder, folder);
        }

        _process = Process.Start(start)!;
        _process.ErrorDataReceived += static (_, _) => { };
        _process.OutputDataReceived += static (_, _) => { };
        _process.BeginErrorReadLine();
        _process.BeginOutputReadLine();
        await Wait.UntilAsync(async () => _process.HasExited || await AnswersAsync(), Patience, "the Jupyter Server answers");
        _process.HasExited.Should().BeFalse("the Jupyter Server must run");
    }

    /// <summary>SIGKILL; its kernels see that their parent is gone and end.</summary>
    public async Task KillAsync()
    {
        _process!.Kill();
        await _process.WaitForExitAsync();
    }

    /// <summary>Starts a kernel over REST; its id.</summary>
    public async Task<string> StartKernelAsync(string name = "python3")
    {
        using var answer = await _http.PostAsJsonAsync("api/kernels", new { name });
        answer.EnsureSuccessStatusCode();
        return (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("id").GetString()!;
    }

    public async Task DeleteKernelAsync(string id)
    {
        using var answer = await _http.DeleteAsync($"api/kernels/{id}");
        answer.EnsureSuccessStatusCode();
    }

    /// <summary>The ids of its kernels.</summary>
    public async Task<IReadOnlyList<string>> KernelsAsync() =>
        [.. (await _http.GetFromJsonAsync<JsonElement>("api/kernels")).EnumerateArray().Select(kernel => kernel.GetProperty("id").GetString()!)];

    public async ValueTask DisposeAsync()
    {
        if (_process is not null)
        {
            if (!_process.HasExited)
            {
                foreach (var id in await KernelsAsync())
                {
                    await DeleteKernelAsync(id);
                }

                await KillAsync();
            }

            _process.Dispose();
        }

        _http.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private async Task<bool> AnswersAsync()
    {
        try
        {
            using var answer = await _http.GetAsync("api/status");
            return answer.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }
}
