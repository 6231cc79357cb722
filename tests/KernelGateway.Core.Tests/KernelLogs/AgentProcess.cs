using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using KernelGateway.Core.Tests.Support;

namespace KernelGateway.Core.Tests.KernelLogs;

/// <summary>The real agent, started in folders of its own, and a first connection to it.</summary>
internal sealed class AgentProcess : IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly TemporaryFolder _folder;
    private readonly Process _process;

    private AgentProcess(TemporaryFolder folder, Process process, AgentConnection connection)
    {
        _folder = folder;
        _process = process;
        Connection = connection;
    }

    public AgentConnection Connection { get; }

    public Process Process => _process;

    public string Folder => _folder.Path;

    public string LogOf(string kernel) => _folder.Of($"l/{kernel}");

    public string ConnectionFileOf(string kernel) => _folder.Of($"t/{kernel}.json");

    public static async Task<AgentProcess> StartAsync()
    {
        Requires.Kernel();
        var folder = new TemporaryFolder();
        foreach (string name in new[] { "s", "l", "t" })
        {
            Directory.CreateDirectory(folder.Of(name));
        }

        string launcher = Repository.Launcher;
        string[] arguments =
        [
            "-I", "-S", "-B", Path.Combine(launcher, "agent.py"),
            "--launcher", launcher, "--sockets", folder.Of("s"), "--logs", folder.Of("l"), "--tmp", folder.Of("t"),
        ];

        // The watcher is there before the agent: the socket's appearance cannot be missed.
        using var watcher = new FileSystemWatcher(folder.Of("s"));
        var appeared = new TaskCompletionSource();
        watcher.Renamed += (_, _) => appeared.TrySetResult();
        watcher.EnableRaisingEvents = true;
        Process process = Process.Start(new ProcessStartInfo(Requires.Python, arguments))!;
        await Task.WhenAny(appeared.Task, process.WaitForExitAsync()).WaitAsync(Patience);
        process.HasExited.Should().BeFalse("the agent runs");
        return new AgentProcess(folder, process, await ConnectAsync(folder));
    }

    public Task<AgentConnection> ConnectAsync() => ConnectAsync(_folder);

    /// <summary>Launches a kernel with its log, and with more variables when given.</summary>
    public async Task<KernelProcess> LaunchKernelAsync(string name = "k1", params (string Name, string Value)[] variables)
    {
        JsonObject connection = KernelConnection(name);
        var environment = new JsonObject { ["PATH"] = "/usr/bin:/bin", ["HOME"] = Folder, ["LANG"] = "C.UTF-8" };
        foreach ((string variable, string value) in variables)
        {
            environment[variable] = value;
        }

        JsonObject reply = await Connection.AskAsync(new JsonObject
        {
            ["op"] = "launch",
            ["kernel"] = name,
            ["argv"] = new JsonArray(Requires.Python, "{launcher}/kernel.py", "-f", "{connection_file}"),
            ["env"] = environment,
            ["cwd"] = Folder,
            ["connection"] = connection,
        });
        reply["ok"]!.GetValue<bool>().Should().BeTrue("the kernel starts: {0}", reply.ToJsonString());
        string file = _folder.Of($"{name}-client.json");
        await File.WriteAllTextAsync(file, connection.ToJsonString());
        return await KernelProcess.ConnectAsync(this, name, reply["pid"]!.GetValue<int>(), file);
    }

    /// <summary>Launches any program as a kernel.</summary>
    public Task<JsonObject> LaunchAsync(string name, params string[] argv) => Connection.AskAsync(new JsonObject
    {
        ["op"] = "launch",
        ["kernel"] = name,
        ["argv"] = new JsonArray(argv.Select(item => (JsonNode)item).ToArray()),
        ["env"] = new JsonObject { ["PATH"] = "/usr/bin:/bin" },
        ["cwd"] = "/",
        ["connection"] = KernelConnection(name),
    });

    public async ValueTask DisposeAsync()
    {
        Connection.Dispose();
        if (!_process.HasExited)
        {
            // SIGTERM: the agent ends its kernels and itself.
            Posix.SendSignal(_process.Id, 15);
        }

        await _process.WaitForExitAsync().WaitAsync(Patience);
        _process.Dispose();
        _folder.Dispose();
    }

    private static async Task<AgentConnection> ConnectAsync(TemporaryFolder folder)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(folder.Of("s/agent"))).WaitAsync(Patience);
        return new AgentConnection(socket);
    }

    private JsonObject KernelConnection(string name) => new()
    {
        ["transport"] = "ipc",
        ["ip"] = _folder.Of($"s/{name}"),
        ["shell_port"] = 1,
        ["iopub_port"] = 2,
        ["stdin_port"] = 3,
        ["control_port"] = 4,
        ["hb_port"] = 5,
        ["key"] = "a key of this test",
        ["signature_scheme"] = "hmac-sha256",
        ["kernel_name"] = "python3",
    };
}

/// <summary>One connection to the agent: requests in turn, events as they come.</summary>
internal sealed class AgentConnection(Socket socket) : IDisposable
{
    private readonly StreamReader _reader = new(new NetworkStream(socket), Encoding.UTF8);
    private readonly Queue<JsonObject> _events = new();
    private int _lastId;

    public Socket Socket => socket;

    public async Task<JsonObject> AskAsync(JsonObject request)
    {
        int id = ++_lastId;
        request["id"] = id;
        await SendAsync(request.ToJsonString() + "\n");
        while (true)
        {
            JsonObject message = await ReadAsync() ?? throw new IOException("The agent closed the connection.");
            if (message["event"] is not null)
            {
                _events.Enqueue(message);
                continue;
            }

            message["id"]!.GetValue<int>().Should().Be(id);
            return message;
        }
    }

    public Task<JsonObject> SignalAsync(string kernel, int signal, bool group = false) =>
        AskAsync(new JsonObject { ["op"] = "signal", ["kernel"] = kernel, ["signal"] = signal, ["group"] = group });

    public async Task<JsonObject> EventAsync()
    {
        if (!_events.TryDequeue(out JsonObject? message))
        {
            message = await ReadAsync() ?? throw new IOException("The agent closed the connection.");
        }

        message["event"]!.GetValue<string>().Should().Be("exit");
        return message;
    }

    public async Task SendAsync(string text) => await socket.SendAsync(Encoding.UTF8.GetBytes(text)).WaitAsync(AgentProcess.Patience);

    /// <summary>The next line, or null when the agent has closed the connection.</summary>
    public async Task<JsonObject?> ReadAsync()
    {
        try
        {
            string? line = await _reader.ReadLineAsync().WaitAsync(AgentProcess.Patience);
            return line is null ? null : JsonNode.Parse(line)!.AsObject();
        }
        catch (IOException)
        {
            return null;
        }
    }

    public void Dispose()
    {
        _reader.Dispose();
        socket.Dispose();
    }
}
