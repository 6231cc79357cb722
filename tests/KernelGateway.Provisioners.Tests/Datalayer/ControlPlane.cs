using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace KernelGateway.Provisioners.Tests.Datalayer;

/// <summary>A small Datalayer control plane: hands out real Jupyter Servers, one for each runtime, and can be told to fail.</summary>
public sealed class ControlPlane : IAsyncDisposable
{
    public const string Key = "the-api-key";

    private readonly HttpListener _listener = new();
    private readonly ConcurrentDictionary<string, (JsonObject Json, JupyterServerProcess Server)> _runtimes = new();
    private readonly ConcurrentQueue<(int Status, string Body)> _troubles = new();
    private int _number;

    public ControlPlane()
    {
        using (var holder = new TcpListener(IPAddress.Loopback, 0))
        {
            holder.Start();
            Address = $"http://127.0.0.1:{((IPEndPoint)holder.LocalEndpoint).Port}";
        }

        _listener.Prefixes.Add(Address + "/");
        _listener.Start();
        _ = ServeAsync();
    }

    public string Address { get; }

    /// <summary>Method and path of every call, and the names of the environments asked for.</summary>
    public ConcurrentQueue<string> Calls { get; } = new();

    /// <summary>The body of the last runtime asked for.</summary>
    public JsonElement LastCreate { get; private set; }

    /// <summary>Changes what is told of a new runtime.</summary>
    public Action<JsonObject>? OnCreated { get; set; }

    public IEnumerable<string> Pods => _runtimes.Keys;

    public IEnumerable<JupyterServerProcess> Servers => _runtimes.Values.Select(runtime => runtime.Server);

    /// <summary>The next calls are answered by these, one each.</summary>
    public void Fail(params (int Status, string Body)[] troubles) => Array.ForEach(troubles, _troubles.Enqueue);

    /// <summary>Ends a runtime as its reservation's end does.</summary>
    public async Task ExpireAsync(string pod)
    {
        if (_runtimes.TryRemove(pod, out var runtime))
        {
            var folder = Path.GetDirectoryName(runtime.Server.Folder)!;
            await runtime.Server.DisposeAsync();
            EndMachine(folder);
        }
    }

    /// <summary>A runtime is a machine of its own: with it goes every process in it, those too that outlive the server, and what they have in their temporary folder.</summary>
    private static void EndMachine(string folder)
    {
        foreach (var path in Directory.EnumerateDirectories("/proc").Where(path => int.TryParse(Path.GetFileName(path), CultureInfo.InvariantCulture, out _)))
        {
            try
            {
                if (!File.ReadAllText(Path.Combine(path, "environ")).Contains(folder + "/", StringComparison.Ordinal))
                {
                    continue;
                }

                var command = File.ReadAllText(Path.Combine(path, "cmdline")).Split('\0');
                using var process = System.Diagnostics.Process.GetProcessById(int.Parse(Path.GetFileName(path), CultureInfo.InvariantCulture));
                process.Kill();
                if (Array.IndexOf(command, "--launcher") is > 0 and var at)
                {
                    process.WaitForExit();
                    Directory.Delete(Path.GetDirectoryName(command[at + 1])!, recursive: true);
                }
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or InvalidOperationException)
            {
                // It ended meanwhile.
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        _listener.Close();
        foreach (var pod in _runtimes.Keys)
        {
            await ExpireAsync(pod);
        }
    }

    private async Task ServeAsync()
    {
        while (_listener.IsListening)
        {
            try
            {
                _ = AnswerAsync(await _listener.GetContextAsync());
            }
            catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
            {
                return;
            }
        }
    }

    private async Task AnswerAsync(HttpListenerContext context)
    {
        var (status, body) = await DecideAsync(context.Request);
        try
        {
            context.Response.StatusCode = status;
            await context.Response.OutputStream.WriteAsync(Encoding.UTF8.GetBytes(body));
            context.Response.Close();
        }
        catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
        {
            // The caller has gone.
        }
    }

    private async Task<(int Status, string Body)> DecideAsync(HttpListenerRequest request)
    {
        var path = request.Url!.AbsolutePath.Replace("/api/runtimes/v1/", "", StringComparison.Ordinal);
        Calls.Enqueue($"{request.HttpMethod} {path}");
        if (request.Headers["Authorization"] != $"Bearer {Key}")
        {
            return (401, """{"success":false,"message":"Invalid token"}""");
        }

        if (_troubles.TryDequeue(out var trouble))
        {
            return trouble;
        }

        if (path == "environments")
        {
            return (200, """{"success":true,"environments":[{"name":"test-env","title":"Test","burning_rate":0.002},{"name":"python-cpu-env","title":"Python","burning_rate":0.002},{"name":"other","burning_rate":"x"}]}""");
        }

        var pod = path.StartsWith("runtimes/", StringComparison.Ordinal) ? path["runtimes/".Length..] : null;
        switch (request.HttpMethod)
        {
            case "GET" when pod is null:
                return (200, new JsonObject { ["success"] = true, ["runtimes"] = new JsonArray([.. _runtimes.Values.Select(runtime => runtime.Json.DeepClone())]) }.ToJsonString());
            case "GET":
                return _runtimes.TryGetValue(pod, out var found) ? (200, new JsonObject { ["success"] = true, ["runtime"] = found.Json.DeepClone() }.ToJsonString()) : (404, """{"message":"no such runtime"}""");
            case "DELETE":
                await ExpireAsync(pod!);
                return (204, "");
            default:
                return await CreateAsync(request);
        }
    }

    private async Task<(int Status, string Body)> CreateAsync(HttpListenerRequest request)
    {
        LastCreate = (await JsonDocument.ParseAsync(request.InputStream)).RootElement;
        var server = await JupyterServerProcess.StartNewAsync();
        var pod = string.Create(CultureInfo.InvariantCulture, $"runtime-{Interlocked.Increment(ref _number)}");
        var json = new JsonObject
        {
            ["uid"] = Guid.NewGuid().ToString(),
            ["pod_name"] = pod,
            ["given_name"] = LastCreate.GetProperty("given_name").GetString(),
            ["environment_name"] = LastCreate.GetProperty("environment_name").GetString(),
            ["ingress"] = server.Address.ToString(),
            ["token"] = server.Token,
            ["expired_at"] = DateTimeOffset.UtcNow.AddHours(1).ToUnixTimeSeconds(),
        };
        _runtimes[pod] = (json, server);
        var told = json.DeepClone().AsObject();
        OnCreated?.Invoke(told);
        return (201, new JsonObject { ["success"] = true, ["message"] = "made", ["runtime"] = told }.ToJsonString());
    }
}
