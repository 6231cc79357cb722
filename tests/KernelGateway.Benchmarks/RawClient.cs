using System.Diagnostics;
using System.Text.Json.Nodes;

namespace KernelGateway.Benchmarks;

/// <summary>jupyter_client in a process of its own, and the kernels it has started.</summary>
internal sealed class RawClient : IAsyncDisposable
{
    public const string Python = "/usr/bin/python3";

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    private readonly Process _process;

    public RawClient(string launcherFolder)
    {
        _process = new Process
        {
            StartInfo = new ProcessStartInfo(Python, [Path.Combine(AppContext.BaseDirectory, "raw_client.py"), launcherFolder])
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
            },
        };
        _process.Start();
    }

    public async Task<string> VersionsAsync() => (string)(await AskAsync(new JsonObject { ["op"] = "versions" }))["text"]!;

    /// <summary>Starts a kernel and waits until it is ready.</summary>
    public async Task<RawKernel> StartAsync(KernelKind kind)
    {
        var reply = await AskAsync(new JsonObject { ["op"] = "start", ["kind"] = Word(kind) });
        return new RawKernel((int)reply["kernel"]!, (string)reply["connection"]!);
    }

    public Task ConnectAsync(RawKernel kernel) => AskAsync(new JsonObject { ["op"] = "connect", ["kernel"] = kernel.Number });

    public Task DisconnectAsync(RawKernel kernel) => AskAsync(new JsonObject { ["op"] = "disconnect", ["kernel"] = kernel.Number });

    /// <summary>Runs code and gives the seconds as measured there, from the request to reply and idle.</summary>
    public async Task<(double Seconds, int Lines)> RunAsync(RawKernel kernel, string code)
    {
        var reply = await AskAsync(new JsonObject { ["op"] = "run", ["kernel"] = kernel.Number, ["code"] = code });
        return ((double)reply["seconds"]!, (int)reply["lines"]!);
    }

    /// <summary>Seconds from nothing to the first result.</summary>
    public async Task<double> FirstResultAsync(KernelKind kind, bool waitForReady) =>
        (double)(await AskAsync(new JsonObject { ["op"] = "first", ["kind"] = Word(kind), ["ready"] = waitForReady }))["seconds"]!;

    public async ValueTask DisposeAsync()
    {
        _process.StandardInput.Close();
        await _process.WaitForExitAsync();
        _process.Dispose();
    }

    private static string Word(KernelKind kind) => kind == KernelKind.Launcher ? "launcher" : "plain";

    private async Task<JsonNode> AskAsync(JsonObject request)
    {
        await _process.StandardInput.WriteLineAsync(request.ToJsonString());
        await _process.StandardInput.FlushAsync();
        var line = await _process.StandardOutput.ReadLineAsync().WaitAsync(Patience);
        return JsonNode.Parse(line ?? throw new InvalidOperationException("The Python side has ended; see its words above."))!;
    }
}

/// <summary>A kernel of the Python side.</summary>
internal sealed record RawKernel(int Number, string ConnectionFile);

/// <summary>Which program a kernel is.</summary>
internal enum KernelKind
{
    /// <summary>What sandboxes run: ipykernel with our log.</summary>
    Launcher,

    /// <summary><c>python -m ipykernel_launcher</c>.</summary>
    Plain,
}
