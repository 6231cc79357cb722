using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using KernelGateway.Core.KernelLogs;
using KernelGateway.Core.Provisioning;
using KernelGateway.Core.Tests.Support;

namespace KernelGateway.Core.Tests.KernelLogs;

/// <summary>A real kernel, a client on its shell channel, and nobody on IOPub.</summary>
internal sealed class KernelProcess : IDisposable
{
    private readonly AgentProcess _agent;
    private readonly Process _client;

    private KernelProcess(AgentProcess agent, string name, int pid, Process client)
    {
        _agent = agent;
        _client = client;
        Name = name;
        Pid = pid;
        Log = KernelLogReader.Open(new KernelLogLocation(agent.LogOf(name), Posix.Uid), KernelLogPosition.Start, new KernelLogOptions());
    }

    public string Name { get; }

    public int Pid { get; }

    public KernelLogReader Log { get; }

    /// <summary>The kernel's resident memory, bytes.</summary>
    public long Memory => HostProcesses.ResidentBytesOf(Pid);

    public static async Task<KernelProcess> ConnectAsync(AgentProcess agent, string name, int pid, string connectionFile)
    {
        string script = Path.Combine(Repository.Root, "tests", "KernelGateway.Core.Tests", "KernelLogs", "shell_client.py");
        var start = new ProcessStartInfo(Requires.Python, [script, connectionFile])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        Process client = Process.Start(start)!;
        string? first = await client.StandardOutput.ReadLineAsync().WaitAsync(AgentProcess.Patience);
        first.Should().Be("ready");
        return new KernelProcess(agent, name, pid, client);
    }

    /// <summary>Sends code without waiting.</summary>
    public async Task SendAsync(string code, string? answer = null)
    {
        var order = new JsonObject { ["code"] = code, ["answer"] = answer };
        await _client.StandardInput.WriteLineAsync(order.ToJsonString());
        await _client.StandardInput.FlushAsync();
    }

    /// <summary>Waits for the reply to code that was sent: its status, or the name of the error.</summary>
    public async Task<string> ReplyAsync()
    {
        string? line = await _client.StandardOutput.ReadLineAsync().WaitAsync(TimeSpan.FromMinutes(2));
        JsonObject reply = JsonNode.Parse(line ?? throw new IOException("The client ended."))!.AsObject();
        return reply["ename"]?.GetValue<string>() ?? reply["status"]!.GetValue<string>();
    }

    public async Task<string> RunAsync(string code, string? answer = null)
    {
        await SendAsync(code, answer);
        return await ReplyAsync();
    }

    public Task InterruptAsync() => _agent.Connection.SignalAsync(Name, 2, group: true);

    /// <summary>Reads the log, acknowledging as it goes, up to and with the idle status of the last execution.</summary>
    public async Task<List<LoggedMessage>> ReadToIdleAsync()
    {
        var messages = new List<LoggedMessage>();
        string? execution = null;
        while (true)
        {
            LoggedMessage message = await NextAsync();
            messages.Add(message);
            if (message.Type == "execute_input")
            {
                execution = message.Parent;
            }

            if (execution is not null && message.Parent == execution && message.Type == "status" && message.State == "idle")
            {
                return messages;
            }
        }
    }

    /// <summary>The next record; waits for it, but not for ever.</summary>
    public async Task<LoggedMessage> NextAsync()
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        KernelLogRecord? record;
        while (!Log.TryRead(out record))
        {
            Log.Fault.Should().BeNull("the kernel writes a sound log");
            Log.Acknowledge(Log.Position);
            await Task.Delay(2, deadline.Token); // The log alone is read here; what announces a record is the socket.
        }

        return new LoggedMessage(record);
    }

    public void Dispose()
    {
        Log.Dispose();
        _client.StandardInput.Close();
        _client.Kill();
        _client.Dispose();
    }
}

/// <summary>A record, read as the Jupyter message it holds.</summary>
internal sealed class LoggedMessage(KernelLogRecord record)
{
    private readonly JsonElement _header = JsonDocument.Parse(record.Frames[0]).RootElement;
    private readonly JsonElement _parent = JsonDocument.Parse(record.Frames[1]).RootElement;

    public KernelLogKind Kind => record.Kind;

    public KernelLogRecord Record => record;

    public JsonElement Content { get; } = JsonDocument.Parse(record.Frames[3]).RootElement;

    public string Type => _header.GetProperty("msg_type").GetString()!;

    public string? Parent => _parent.TryGetProperty("msg_id", out JsonElement id) ? id.GetString() : null;

    public string? State => Content.TryGetProperty("execution_state", out JsonElement state) ? state.GetString() : null;

    /// <summary>The text of a stream message on one of the streams; empty for other messages.</summary>
    public string TextOn(string stream) =>
        Type == "stream" && Content.GetProperty("name").GetString() == stream ? Content.GetProperty("text").GetString()! : string.Empty;
}
