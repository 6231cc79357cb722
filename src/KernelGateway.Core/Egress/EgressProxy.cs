using System.Net.Sockets;
using KernelGateway.Core.Policies;
using Microsoft.Extensions.Logging;

namespace KernelGateway.Core.Egress;

/// <summary>The only way out of one sandbox: an HTTP and SOCKS5 proxy on a socket that nobody else sees, so that who connects is known.</summary>
[System.Diagnostics.CodeAnalysis.SuppressMessage("Reliability", "CA1001", Justification = "A SemaphoreSlim without a wait handle has nothing to dispose of, and a late lookup still releases it.")]
internal sealed partial class EgressProxy
{
    private const int MaxLookups = 8;
    private static readonly TimeSpan NoDescriptorsPause = TimeSpan.FromMilliseconds(100);

    private readonly string _sandboxId;
    private readonly NetworkGuard _guard;
    private readonly DenialLog _denials;
    private readonly SemaphoreSlim _lookups = new(MaxLookups, MaxLookups);

    // Changed under the gate only.
    private readonly Lock _gate = new();
    private readonly HashSet<EgressConnection> _connections = [];
    private NetworkRules _rules;
    private Socket? _listener;
    private Task _accepting = Task.CompletedTask;

    private long _reached;
    private long _sent;
    private long _received;

    /// <param name="sandboxId">Whose it is.</param>
    /// <param name="guard">The operator's settings.</param>
    /// <param name="settings">The sandbox's own.</param>
    /// <param name="record">Takes denials to the journal.</param>
    internal EgressProxy(string sandboxId, NetworkGuard guard, NetworkSettings settings, Action<EgressDenial> record)
    {
        _sandboxId = sandboxId;
        _guard = guard;
        _rules = guard.Compile(settings);
        _denials = new DenialLog(guard.Options.MaxDenialEventsPerMinute, record, guard.Time);
    }

    internal NetworkGuard Guard => _guard;

    internal bool IsListening
    {
        get
        {
            lock (_gate)
            {
                return _listener is not null;
            }
        }
    }

    /// <summary>Connections now, those that reached their host, denials, denials without an event, bytes to the world, bytes from it.</summary>
    internal (int Open, long Reached, long Denied, long WithoutEvent, long Sent, long Received) Counts
    {
        get
        {
            int open;
            lock (_gate)
            {
                open = _connections.Count;
            }

            var (denied, withoutEvent) = _denials.Counts;
            return (open, Interlocked.Read(ref _reached), denied, withoutEvent, Interlocked.Read(ref _sent), Interlocked.Read(ref _received));
        }
    }

    internal NetworkRules Rules
    {
        get
        {
            lock (_gate)
            {
                return _rules;
            }
        }
    }

    /// <summary>Begins to serve on a socket that listens; it is the proxy's own from now on.</summary>
    internal void Listen(Socket listener)
    {
        lock (_gate)
        {
            _listener = listener;
            _accepting = AcceptAsync(listener);
        }
    }

    /// <summary>Ceases to serve and cuts what is open. It can listen again.</summary>
    internal async Task CloseAsync()
    {
        Task accepting;
        List<EgressConnection> open;
        lock (_gate)
        {
            _listener?.Dispose();
            _listener = null;
            accepting = _accepting;
            open = [.. _connections];
        }

        await accepting;
        open.ForEach(connection => connection.Cut());
        await Task.WhenAll(open.Select(connection => connection.Ended));
    }

    /// <summary>Puts new rules in force: for new connections at once, and what is open and now denied is cut.</summary>
    internal void Update(NetworkSettings settings)
    {
        var rules = _guard.Compile(settings);
        List<(EgressConnection Connection, Destination Destination, NetworkVerdict Verdict)> cut;
        lock (_gate)
        {
            _rules = rules;
            cut = [.. _connections.Where(c => c.Goal is not null)
                .Select(c => (c, c.Goal!.Value.Destination, DecideAll(rules, c.Goal.Value)))
                .Where(c => !c.Item3.Allowed)];
        }

        foreach (var (connection, destination, verdict) in cut)
        {
            connection.Cut();
            Deny(destination.Host.Name, destination.Port, verdict with { Hint = $"The connection was open when the policy changed, and was cut. {verdict.Hint}" });
        }
    }

    /// <summary>Takes a connection that has reached its host into those that a change of rules can cut; says no when the rules have changed meanwhile.</summary>
    internal NetworkVerdict Establish(EgressConnection connection, EgressGoal goal)
    {
        lock (_gate)
        {
            var verdict = DecideAll(_rules, goal);
            if (verdict.Allowed)
            {
                connection.Goal = goal;
                Interlocked.Increment(ref _reached);
            }

            return verdict;
        }
    }

    internal void Deny(string host, int port, NetworkVerdict verdict) => _denials.Add(Shown.Short(host), port, verdict.Rule, verdict.Hint);

    internal void CountSent(int bytes) => Interlocked.Add(ref _sent, bytes);

    internal void CountReceived(int bytes) => Interlocked.Add(ref _received, bytes);

    /// <summary>Resolves a name, at most a few at once for one sandbox: a lookup that hangs holds a thread of the gateway.</summary>
    internal async Task<System.Net.IPAddress[]> ResolveAsync(string name, CancellationToken cancellationToken)
    {
        await _lookups.WaitAsync(cancellationToken);
        var lookup = AskAsync();
        return await lookup.WaitAsync(cancellationToken);

        async Task<System.Net.IPAddress[]> AskAsync()
        {
            try
            {
                return await _guard.Resolver(name, cancellationToken);
            }
            finally
            {
                _lookups.Release();
            }
        }
    }

    private NetworkVerdict DecideAll(NetworkRules rules, EgressGoal goal) =>
        rules.Decide(goal.Destination) is { Allowed: false } denied ? denied : rules.Decide(goal.Destination, goal.Address, _guard.OwnAddresses());

    private async Task AcceptAsync(Socket listener)
    {
        await Task.Yield(); // Not under the gate.
        while (true)
        {
            Socket client;
            try
            {
                client = await listener.AcceptAsync();
            }
            catch (Exception error) when (error is ObjectDisposedException or SocketException { SocketErrorCode: SocketError.OperationAborted or SocketError.InvalidArgument })
            {
                return;
            }
            catch (SocketException error)
            {
                LogNotAccepted(_guard.Logger, _sandboxId, error.Message);
                await Task.Delay(NoDescriptorsPause, _guard.Time, CancellationToken.None);
                continue;
            }

            Welcome(client);
        }
    }

    private void Welcome(Socket client)
    {
        var connection = new EgressConnection(this, client);
        bool taken;
        lock (_gate)
        {
            taken = _listener is not null && _connections.Count < _guard.Options.MaxConnections && _connections.Add(connection);
        }

        if (taken)
        {
            _ = ServeAsync(connection);
        }
        else
        {
            using (connection)
            {
                Turn(client);
            }
        }
    }

    private async Task ServeAsync(EgressConnection connection)
    {
        try
        {
            await connection.RunAsync();
        }
        catch (Exception error)
        {
            // A fault of ours ends this connection only.
            LogFault(_guard.Logger, error, _sandboxId);
        }
        finally
        {
            lock (_gate)
            {
                _connections.Remove(connection);
            }
        }
    }

    /// <summary>One too many: it is told so at once, without a buffer or a wait for it.</summary>
    private void Turn(Socket client)
    {
        var refusal = HttpAnswers.Refusal(503, "Too many connections", $"The sandbox has {_guard.Options.MaxConnections} connections open, the most it may have. Close some.");
        try
        {
            client.Blocking = false;
            client.Send(refusal);
        }
        catch (SocketException)
        {
            // It does not want to know.
        }
    }

    [LoggerMessage(LogLevel.Warning, "Sandbox {SandboxId}: a connection to its proxy could not be accepted: {Reason}")]
    private static partial void LogNotAccepted(ILogger logger, string sandboxId, string reason);

    [LoggerMessage(LogLevel.Error, "Sandbox {SandboxId}: its proxy failed in a connection")]
    private static partial void LogFault(ILogger logger, Exception exception, string sandboxId);
}
