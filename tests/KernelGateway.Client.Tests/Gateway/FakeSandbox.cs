using System.Runtime.CompilerServices;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Executions;
using KernelGateway.Contracts.Sandboxes;

namespace KernelGateway.Client.Tests.Gateway;

/// <summary>A sandbox with a journal and runs that a test's script plays.</summary>
internal sealed class FakeSandbox(string id, CreateSandboxRequest request)
{
    private readonly Lock _gate = new();
    private readonly List<SandboxEvent> _events = [];
    private readonly Dictionary<string, FakeRun> _runs = [];
    private readonly List<FakeRun> _order = [];
    private TaskCompletionSource _more = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private SandboxState _state = SandboxState.Running;

    public string Id => id;

    public CreateSandboxRequest Request => request;

    public SetNetworkRequest Network { get; set; } = new() { NetworkPolicy = request.NetworkPolicy, AllowedHosts = request.AllowedHosts, DeniedHosts = request.DeniedHosts };

    public int Restarts { get; private set; }

    public IReadOnlyList<FakeRun> Runs
    {
        get
        {
            lock (_gate)
            {
                return [.. _order];
            }
        }
    }

    public SandboxInfo Info
    {
        get
        {
            lock (_gate)
            {
                return new SandboxInfo
                {
                    Id = id,
                    Name = request.Name ?? "calm-green-0001",
                    Variant = request.Variant ?? "local",
                    Environment = request.Environment ?? "python-cpu-env",
                    State = _state,
                    CreatedAt = DateTimeOffset.UnixEpoch,
                    LastActivityAt = DateTimeOffset.UnixEpoch,
                    TimeoutSeconds = 30,
                    IdleTimeoutSeconds = 0,
                    Limits = new SandboxLimits(1, 1024, 128),
                    NetworkPolicy = Network.NetworkPolicy ?? NetworkPolicy.None,
                    AllowedHosts = Network.AllowedHosts ?? [],
                    DeniedHosts = Network.DeniedHosts ?? [],
                    Tags = request.Tags ?? new Dictionary<string, string>(),
                    Contexts = [new ContextInfo("default", "python3", "python", KernelState.Idle, null)],
                    LastSequence = _events.Count == 0 ? 0 : _events[^1].Sequence,
                };
            }
        }
    }

    public long Append(SandboxEvent next)
    {
        lock (_gate)
        {
            var sequence = _events.Count == 0 ? 1 : _events[^1].Sequence + 1;
            _events.Add(next with { Sequence = sequence, Time = DateTimeOffset.UnixEpoch.AddSeconds(sequence) });
            Wake();
            return sequence;
        }
    }

    /// <summary>Removes the oldest events and leaves a mark with the last one's number, as the gateway's journal does.</summary>
    public void Truncate(int count)
    {
        lock (_gate)
        {
            var last = _events[count - 1];
            _events.RemoveRange(0, count);
            _events.Insert(0, new TruncatedEvent { Sequence = last.Sequence, Time = last.Time, FirstMissing = 1, Reason = "The journal is full." });
        }
    }

    public void Terminate(SandboxState state = SandboxState.Terminated)
    {
        lock (_gate)
        {
            if (_state == SandboxState.Running)
            {
                _state = state;
                Append(new SandboxStateEvent { State = state });
            }
        }
    }

    public void Restart() => Restarts++;

    public FakeRun Run(RunCodeRequest run, string? key, Func<FakeRun, Task<ExecutionStatus>> script)
    {
        lock (_gate)
        {
            if (key is not null && _runs.TryGetValue(key, out var same))
            {
                return same;
            }

            var made = new FakeRun(this, run, $"run-{_order.Count + 1}");
            _runs[key ?? made.Id] = made;
            _order.Add(made);
            made.Begin(script);
            return made;
        }
    }

    public async IAsyncEnumerable<SandboxEvent> ReadAsync(long after, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var last = after;
        while (true)
        {
            SandboxEvent[] batch;
            Task more;
            bool ended;
            lock (_gate)
            {
                var first = _events.FindIndex(e => e.Sequence > last);
                batch = first < 0 ? [] : [.. _events.Skip(first).Take(256)];
                more = _more.Task;
                ended = _state != SandboxState.Running;
            }

            foreach (var next in batch)
            {
                // SignalR does not look at the token between items.
                cancellationToken.ThrowIfCancellationRequested();
                yield return next;
                last = next.Sequence;
            }

            if (batch.Length == 0)
            {
                if (ended)
                {
                    yield break;
                }

                await more.WaitAsync(cancellationToken);
            }
        }
    }

    private void Wake()
    {
        _more.TrySetResult();
        _more = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
