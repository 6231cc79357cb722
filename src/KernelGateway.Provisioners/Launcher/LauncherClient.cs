using System.Buffers;
using System.Collections.Concurrent;
using System.IO.Pipelines;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Nodes;
using KernelGateway.Core.Errors;

namespace KernelGateway.Provisioners.Launcher;

/// <summary>Our side of the agent's protocol: newline-delimited JSON over one unix socket, requests by number, events in order.</summary>
/// <remarks>The agent lives among the code it starts and may have been taken over by it: every line is bounded and checked.</remarks>
internal sealed class LauncherClient : IAsyncDisposable
{
    /// <summary>The version of the protocol that this is written for.</summary>
    internal const int Protocol = 1;

    /// <summary>The agent closes the connection at a longer line.</summary>
    private const int MaxRequest = 1 << 20;

    /// <summary>The answer to hello, with the last words of 32 kernels, each character escaped, stays below.</summary>
    private const int MaxLine = 2 << 20;

    private const int MaxPending = 1000;
    private static readonly TimeSpan AnswerDeadline = TimeSpan.FromSeconds(20);

    private readonly Socket _socket;
    private readonly NetworkStream _stream;
    private readonly TimeProvider _time;
    private readonly Action<string, AgentExit> _kernelEnded;
    private readonly Action<string, bool>? _commandActivity;
    private readonly SemaphoreSlim _sending = new(1, 1);
    private readonly ConcurrentDictionary<long, TaskCompletionSource<JsonElement>> _pending = new();
    private readonly TaskCompletionSource<string> _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task _reading;
    private long _lastId;

    /// <param name="socket">Connected, its peer checked.</param>
    /// <param name="agentPid">The peer's number on this host.</param>
    /// <param name="kernelEnded">Called for each exit event, in order; must not block or throw.</param>
    /// <param name="time">For deadlines.</param>
    /// <param name="commandActivity">Called when there is something new in the log of a command, and whether it is the last; must not block or throw.</param>
    internal LauncherClient(Socket socket, int agentPid, Action<string, AgentExit> kernelEnded, TimeProvider time, Action<string, bool>? commandActivity = null)
    {
        _socket = socket;
        _stream = new NetworkStream(socket, ownsSocket: true);
        _kernelEnded = kernelEnded;
        _commandActivity = commandActivity;
        _time = time;
        AgentPid = agentPid;
        _reading = ReadAsync();
    }

    /// <summary>The agent's process number on this host, as the kernel of the host says.</summary>
    internal int AgentPid { get; }

    /// <summary>Completes with the first reason when the connection has ended; never faults.</summary>
    internal Task<string> Closed => _closed.Task;

    /// <summary>Asks who the agent is and which kernels and commands it has.</summary>
    internal async Task<AgentHello> HelloAsync(CancellationToken cancellationToken)
    {
        var answer = await AskAsync(new JsonObject { ["op"] = "hello" }, cancellationToken);
        if (!answer.TryGetProperty("protocol", out var protocol) || protocol.ValueKind != JsonValueKind.Number
            || !protocol.TryGetInt32(out var version) || version != Protocol)
        {
            throw new GatewayException(ErrorCode.KernelFailed, $"The agent of the sandbox speaks another protocol than {Protocol}; it is of another version of the gateway.");
        }

        return new AgentHello(
            [.. List("kernels").Select(AgentKernel.Parse).OfType<AgentKernel>()],
            [.. List("commands").Select(AgentCommand.Parse).OfType<AgentCommand>()],
            AgentKernel.Flag(answer, "held"));

        IEnumerable<JsonElement> List(string name) =>
            answer.TryGetProperty(name, out var list) && list.ValueKind == JsonValueKind.Array ? list.EnumerateArray() : [];
    }

    /// <summary>Starts a kernel. Returns when its process runs.</summary>
    internal Task LaunchAsync(AgentLaunch launch, CancellationToken cancellationToken) => AskAsync(
        new JsonObject
        {
            ["op"] = "launch",
            ["kernel"] = launch.Kernel,
            ["argv"] = new JsonArray([.. launch.Argv.Select(word => (JsonNode)word)]),
            ["env"] = new JsonObject(launch.Variables.Select(variable => KeyValuePair.Create(variable.Key, (JsonNode?)variable.Value))),
            ["cwd"] = launch.WorkingDirectory,
            ["connection"] = launch.Connection.DeepClone(),
        },
        cancellationToken);

    /// <summary>Sends a signal to a kernel, or to its process group.</summary>
    internal Task SignalAsync(string kernel, int signal, bool group, CancellationToken cancellationToken) => AskAsync(
        new JsonObject { ["op"] = "signal", ["kernel"] = kernel, ["signal"] = signal, ["group"] = group },
        cancellationToken);

    /// <summary>Makes loopback ports of the place lead to a unix socket in it, or none any more.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.KernelFailed"/>, with what the agent said.</exception>
    internal Task ForwardAsync(string socket, IReadOnlyList<int> ports, CancellationToken cancellationToken) => AskAsync(
        new JsonObject { ["op"] = "forward", ["socket"] = socket, ["ports"] = new JsonArray([.. ports.Select(port => (JsonNode)port)]) },
        cancellationToken);

    /// <summary>Stops the time limits of all commands, or lets them go on.</summary>
    internal Task HoldAsync(bool on, CancellationToken cancellationToken) => AskAsync(new JsonObject { ["op"] = "hold", ["on"] = on }, cancellationToken);

    /// <summary>Does something with a command; see <c>agent_commands.py</c>.</summary>
    internal Task CommandAsync(string command, string act, JsonObject request, CancellationToken cancellationToken)
    {
        (request["op"], request["command"], request["do"]) = ("command", command, act);
        return AskAsync(request, cancellationToken);
    }

    /// <summary>Sends SIGTERM to all that a kernel has started, and not to the kernel.</summary>
    internal Task TerminateChildrenAsync(string kernel, CancellationToken cancellationToken) => AskAsync(
        new JsonObject { ["op"] = "terminate_children", ["kernel"] = kernel },
        cancellationToken);

    /// <summary>Asks the agent to end all kernels and then itself. Returns when it has understood.</summary>
    internal Task ShutdownAsync(TimeSpan grace, CancellationToken cancellationToken) => AskAsync(
        new JsonObject { ["op"] = "shutdown", ["grace"] = grace.TotalSeconds },
        cancellationToken);

    public async ValueTask DisposeAsync()
    {
        Close("The connection to the agent was closed by the gateway.");
        await _reading;
    }

    private async Task<JsonElement> AskAsync(JsonObject request, CancellationToken cancellationToken)
    {
        if (_pending.Count >= MaxPending)
        {
            throw new GatewayException(ErrorCode.KernelFailed, "The agent of the sandbox has not answered many requests; no more are sent.");
        }

        var id = Interlocked.Increment(ref _lastId);
        request["id"] = id;
        byte[] line = [.. JsonSerializer.SerializeToUtf8Bytes(request), (byte)'\n'];
        if (line.Length > MaxRequest)
        {
            throw new GatewayException(ErrorCode.InvalidArgument, $"The command, its environment variables and its input are too large: together they may have {MaxRequest} bytes.");
        }

        var answered = new TaskCompletionSource<JsonElement>(TaskCreationOptions.RunContinuationsAsynchronously);
        _pending[id] = answered;
        using var deadline = new CancellationTokenSource(AnswerDeadline, _time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            await SendAsync(line, deadline.Token, both.Token);
            if (Closed.IsCompleted)
            {
                // Closed before the request was in the list of those to fail.
                answered.TrySetException(Gone(await Closed));
            }

            return await answered.Task.WaitAsync(both.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new GatewayException(ErrorCode.KernelFailed, $"The agent of the sandbox did not answer within {AnswerDeadline.TotalSeconds:0} seconds.", inner: new TimeoutException());
        }
        finally
        {
            _pending.TryRemove(id, out _);
        }
    }

    private async Task SendAsync(byte[] line, CancellationToken deadline, CancellationToken cancellationToken)
    {
        await _sending.WaitAsync(cancellationToken);
        try
        {
            // Only the deadline may cut a line that has begun: what follows half a line is not understood.
            await _stream.WriteAsync(line, deadline);
        }
        catch (Exception error) when (error is IOException or ObjectDisposedException or OperationCanceledException)
        {
            Close(error is OperationCanceledException ? "The agent of the sandbox does not read what it is sent." : "The agent of the sandbox has gone.");
            throw Gone(await Closed);
        }
        finally
        {
            _sending.Release();
        }
    }

    private async Task ReadAsync()
    {
        var reason = "The agent of the sandbox has gone.";
        try
        {
            var reader = PipeReader.Create(_stream, new StreamPipeReaderOptions(leaveOpen: true));
            while (true)
            {
                var result = await reader.ReadAsync();
                var buffer = result.Buffer;
                while (buffer.PositionOf((byte)'\n') is { } end)
                {
                    Accept(buffer.Slice(0, end));
                    buffer = buffer.Slice(buffer.GetPosition(1, end));
                }

                if (buffer.Length > MaxLine)
                {
                    reason = $"The agent of the sandbox sent a line of more than {MaxLine} bytes.";
                    break;
                }

                reader.AdvanceTo(buffer.Start, buffer.End);
                if (result.IsCompleted)
                {
                    break;
                }
            }
        }
        catch (Exception error) when (error is IOException or ObjectDisposedException or SocketException)
        {
            // The reason stands.
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            reason = "The agent of the sandbox sent what is no message.";
        }

        Close(reason);
    }

    private void Accept(ReadOnlySequence<byte> line)
    {
        using var document = JsonDocument.Parse(line);
        var message = document.RootElement;
        if (AgentKernel.Text(message, "event") is { } name)
        {
            // Events of later versions are not for us.
            if (name == "exit" && AgentKernel.Text(message, "kernel") is { } kernel)
            {
                _kernelEnded(kernel, AgentExit.Parse(message));
            }
            else if (name == "output" && AgentKernel.Text(message, "command") is { } command)
            {
                _commandActivity?.Invoke(command, AgentKernel.Flag(message, "said_all"));
            }

            return;
        }

        if (!message.TryGetProperty("id", out var id) || id.ValueKind != JsonValueKind.Number || !id.TryGetInt64(out var number)
            || !_pending.TryRemove(number, out var answered))
        {
            return;
        }

        if (message.TryGetProperty("ok", out var ok) && ok.ValueKind == JsonValueKind.True)
        {
            answered.TrySetResult(message.Clone());
        }
        else
        {
            var (code, field) = CommandRequest.Meaning(message);
            answered.TrySetException(new GatewayException(code,
                Native.TextTail.Clean(AgentKernel.Text(message, "error") ?? "The agent of the sandbox refused and gave no reason."), field));
        }
    }

    private void Close(string reason)
    {
        if (!_closed.TrySetResult(reason))
        {
            return;
        }

        _socket.Dispose();
        foreach (var id in _pending.Keys)
        {
            if (_pending.TryRemove(id, out var answered))
            {
                answered.TrySetException(Gone(reason));
            }
        }
    }

    private static GatewayException Gone(string reason) => new(ErrorCode.KernelFailed, reason);
}
