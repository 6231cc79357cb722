using System.Text.Json;
using System.Text.Json.Nodes;
using KernelGateway.Core.Errors;
using KernelGateway.Jupyter;

namespace KernelGateway.Provisioners.Remote;

/// <summary>Calls of our code in a utility kernel of a Jupyter server, beside the user's kernels. When it is gone, another one is asked for.</summary>
/// <remarks>The server's user can end that kernel or take it over: every answer is bounded and checked, and every wait has an end.</remarks>
internal sealed class RemoteKernel : IAsyncDisposable
{
    /// <summary>Calls at once; the rest waits here, where it costs nothing.</summary>
    private const int MaxCalls = 24;

    private static readonly TimeSpan LookAnyway = TimeSpan.FromSeconds(1);

    private readonly RemotePlace _place;
    private readonly Func<CancellationToken, Task<KernelClient>> _connect;
    private readonly TimeProvider _time;
    private readonly RemoteBell _calls;
    private readonly SemaphoreSlim _opening = new(1, 1);
    private readonly SemaphoreSlim _turns = new(MaxCalls, MaxCalls);
    private readonly CancellationTokenSource _closed = new();
    private volatile RemoteConnection? _connection;
    private RemoteSources? _sources;

    /// <param name="place">What it is to serve.</param>
    /// <param name="connect">Gives a client that is ready of a utility kernel of this place alone, starting the kernel where there is none. The client is ours then; its IOPub must not be a mere wake-up call, and an answer of 4 MiB must not be too large for it. Who learns that the kernel has ended calls <see cref="KernelClient.Fail"/>; else that is found by silence.</param>
    /// <param name="time">For deadlines.</param>
    internal RemoteKernel(RemotePlace place, Func<CancellationToken, Task<KernelClient>> connect, TimeProvider time)
    {
        _place = place;
        _connect = connect;
        _time = time;
        _calls = new RemoteBell(time);
        Logs = new RemoteBell(time);
        Watches = new RemoteBell(time);
    }

    /// <summary>Rings when there is something new in the log of a command.</summary>
    internal RemoteBell Logs { get; }

    /// <summary>Rings when something has changed in a watched folder.</summary>
    internal RemoteBell Watches { get; }

    /// <summary>Is cancelled when nothing may be called any more.</summary>
    internal CancellationToken Closed => _closed.Token;

    /// <summary>The connection for calls that belong together.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.KernelFailed"/>: there is no utility kernel to be had.</exception>
    internal async Task<RemoteConnection> ConnectedAsync(CancellationToken cancellationToken)
    {
        if (_connection is { IsBroken: false } connection)
        {
            return connection;
        }

        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _closed.Token);
        try
        {
            await _opening.WaitAsync(either.Token);
            try
            {
                return _connection is { IsBroken: false } other ? other : await OpenAsync(either.Token);
            }
            finally
            {
                _opening.Release();
            }
        }
        catch (OperationCanceledException) when (_closed.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw Files.FileRoot.Ended();
        }
    }

    /// <summary>Calls an operation and waits for its end, however long it takes.</summary>
    /// <param name="operation">One of those of <c>remote_agent.py</c>.</param>
    /// <param name="request">Its arguments.</param>
    /// <param name="cancellationToken">Ends the wait, and tells the operation that nobody wants it any more.</param>
    /// <param name="on">The connection that it belongs to; null: any.</param>
    /// <returns>The answer: <c>ok</c>, or what is in the way.</returns>
    internal async Task<JsonElement> CallAsync(string operation, JsonObject request, CancellationToken cancellationToken, RemoteConnection? on = null)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _closed.Token);
        try
        {
            await _turns.WaitAsync(either.Token);
            try
            {
                request["op"] = operation;
                var connection = on ?? await ConnectedAsync(either.Token);
                return await FinishAsync(connection, request, either.Token);
            }
            finally
            {
                _turns.Release();
            }
        }
        catch (OperationCanceledException) when (_closed.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw Files.FileRoot.Ended();
        }
    }

    /// <summary>Ends all calls; the utility kernel and the commands live on.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_closed.IsCancellationRequested)
        {
            return;
        }

        await _closed.CancelAsync();
        await _opening.WaitAsync(CancellationToken.None);
        if (_connection is { } connection)
        {
            await connection.DisposeAsync();
        }
    }

    private async Task<RemoteConnection> OpenAsync(CancellationToken cancellationToken)
    {
        if (_connection is { } broken)
        {
            _connection = null;
            await broken.DisposeAsync();
        }

        _sources ??= RemoteSources.Read(_place.LauncherFolder);
        KernelClient client;
        try
        {
            client = await _connect(cancellationToken);
        }
        catch (KernelException e)
        {
            throw new GatewayException(ErrorCode.KernelFailed, $"No kernel can be had through which files and commands of this sandbox are reached: {e.Message}");
        }

        var connection = new RemoteConnection(client, _place, _sources, _time, Ring);
        try
        {
            await connection.OpenAsync(cancellationToken);
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }

        _connection = connection;
        Ring("");
        return connection;
    }

    private async Task<JsonElement> FinishAsync(RemoteConnection connection, JsonObject request, CancellationToken cancellationToken)
    {
        if (connection.IsBroken)
        {
            throw new GatewayException(ErrorCode.KernelFailed, "The kernel through which this was opened has ended. Begin again.");
        }

        var rings = _calls.Rings;
        var answer = await connection.CallAsync(request, cancellationToken);
        if (answer.Optional("ticket") is not { } ticket)
        {
            return answer;
        }

        var number = ticket.Number();
        try
        {
            do
            {
                await _calls.WaitAsync(rings, LookAnyway, cancellationToken);
                rings = _calls.Rings;
                answer = await connection.CallAsync(new JsonObject { ["op"] = "fetch", ["ticket"] = number }, cancellationToken);
            }
            while (answer.Optional("ticket") is not null);
            return answer;
        }
        catch (OperationCanceledException)
        {
            _ = CancelAsync(connection, number);
            throw;
        }
    }

    private static async Task CancelAsync(RemoteConnection connection, long ticket)
    {
        try
        {
            await connection.CallAsync(new JsonObject { ["op"] = "cancel", ["ticket"] = ticket }, CancellationToken.None);
        }
        catch (GatewayException)
        {
            // Gone, and its work with it.
        }
    }

    /// <summary>Whatever the kernel says, nothing of it is kept.</summary>
    private void Ring(string topic)
    {
        if (topic.Length == 0 || topic.StartsWith("call:", StringComparison.Ordinal))
        {
            _calls.Ring();
        }

        if (topic is "" or "logs")
        {
            Logs.Ring();
        }

        if (topic.Length == 0 || topic.StartsWith("watch:", StringComparison.Ordinal))
        {
            Watches.Ring();
        }
    }
}
