using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Egress;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Executions;
using KernelGateway.Core.Journals;
using KernelGateway.Core.Policies;
using KernelGateway.Core.Provisioning;
using Microsoft.Extensions.Logging;

namespace KernelGateway.Core.Sandboxes;

/// <summary>What its code may reach, and the proxy that sees to it. The proxy is there as long as the policy is another than none.</summary>
public sealed partial class Sandbox
{
    // Set under _life, read anywhere.
    private volatile EgressProxy? _egress;

    /// <summary>Its network policy, and what went through.</summary>
    public NetworkInfo Network
    {
        get
        {
            var settings = Record.Network;
            var counts = _egress?.Counts ?? default;
            return new NetworkInfo
            {
                NetworkPolicy = settings.Policy,
                AllowedHosts = settings.AllowedHosts,
                DeniedHosts = settings.DeniedHosts,
                OpenConnections = counts.Open,
                Connections = counts.Reached,
                Denied = counts.Denied,
                DeniedWithoutEvent = counts.WithoutEvent,
                BytesSent = counts.Sent,
                BytesReceived = counts.Received,
            };
        }
    }

    /// <summary>Puts another policy in force, and remembers it. All of it or, on failure, nothing.</summary>
    internal async Task SetNetworkAsync(NetworkSettings settings, CancellationToken cancellationToken)
    {
        await AwakeAsync(cancellationToken);
        await _life.WaitAsync(cancellationToken);
        try
        {
            _ = Session(null); // It must be running.
            _clock.Use();
            if (_host?.Egress is not { } door)
            {
                Change(r => r with { Network = settings });
                return;
            }

            if (settings.Policy != NetworkPolicy.None)
            {
                // What can fail comes first: with the old rules still in force it changes nothing.
                await door.OpenAsync(cancellationToken);
                Serve(door);
            }

            Change(r => r with { Network = settings });
            _egress?.Update(settings);
            if (settings.Policy == NetworkPolicy.None && _egress is { } closing)
            {
                await closing.CloseAsync();
                await CloseDoorAsync(door);
            }
        }
        finally
        {
            _life.Release();
        }
    }

    /// <summary>What its kernels find in their environment: how to get out, unless the owner says otherwise.</summary>
    private IReadOnlyDictionary<string, string> KernelVariables() =>
        _record.Network.Policy != NetworkPolicy.None && _host?.Egress is { } door ? Merge(ProxyVariables.For(door), _record.Variables) : _record.Variables;

    private async Task OpenEgressAsync(IKernelHost host, CancellationToken cancellationToken)
    {
        if (host.Egress is not { } door || _record.Network.Policy == NetworkPolicy.None)
        {
            return;
        }

        Serve(door);
        try
        {
            await door.OpenAsync(cancellationToken);
        }
        catch (GatewayException e) when (e.Code == ErrorCode.Conflict)
        {
            // Code of its own has taken the ports meanwhile. That is its affair; the socket is there all the same.
            LogNoPorts(_logger, Id, e.Message);
        }
    }

    private void Serve(IEgressDoor door)
    {
        var proxy = _egress ??= new EgressProxy(Id, _network, _record.Network, RecordDenial);
        if (!proxy.IsListening)
        {
            proxy.Listen(door.Listen());
        }
    }

    private async Task CloseDoorAsync(IEgressDoor door)
    {
        try
        {
            await door.CloseAsync(CancellationToken.None);
        }
        catch (GatewayException e)
        {
            // Nobody listens behind it any more.
            LogNoPorts(_logger, Id, e.Message);
        }
    }

    private async Task CloseEgressAsync()
    {
        if (_egress is { } egress)
        {
            await egress.CloseAsync();
        }
    }

    private void RecordDenial(EgressDenial denial)
    {
        // Whose connection it was is not known: that of the run under way, when there is one only.
        var running = _contexts.All.Select(s => (s.Id, Execution: s.CurrentExecutionId)).Where(s => s.Execution is not null).ToList();
        var (context, execution) = running.Count == 1 ? running[0] : ("", null);
        var note = new Notes.EgressDeniedNote(denial.Host, denial.Port, denial.Rule, denial.Hint, denial.NotRecorded);
        if (execution is not null && _executions.Find(execution) is { } run)
        {
            ExecutionProgress.Deny(run, note, _time.GetUtcNow());
        }

        try
        {
            Journal.Append(new JournalEntry
            {
                Kind = JournalEntryKind.EgressDenied,
                ExecutionId = execution ?? "",
                ContextId = context,
                Frames = Notes.Frame(note),
            });
        }
        catch (Exception e) when (e is GatewayException or ObjectDisposedException)
        {
            LogDenialNotRecorded(_logger, Id, denial.Host, e.Message);
        }
    }

    [LoggerMessage(LogLevel.Warning, "Sandbox {SandboxId}: the ports of its proxy: {Reason}")]
    private static partial void LogNoPorts(ILogger logger, string sandboxId, string reason);

    [LoggerMessage(LogLevel.Warning, "Sandbox {SandboxId}: that {Host} was denied could not be recorded: {Reason}")]
    private static partial void LogDenialNotRecorded(ILogger logger, string sandboxId, string host, string reason);
}
