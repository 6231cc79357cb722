using System.Collections.Concurrent;
using KernelGateway.Contracts.Executions;
using KernelGateway.Contracts.Sandboxes;
using Microsoft.AspNetCore.Http;

namespace KernelGateway.Client.Tests.Gateway;

/// <summary>What outlives a restart of the fake gateway, and what tests set and count.</summary>
internal sealed class FakeState
{
    public const string Key = "kg_test_key";

    private readonly Lock _gate = new();
    private readonly Dictionary<string, FakeSandbox> _byKey = [];
    private readonly List<FakeSandbox> _sandboxes = [];
    private int _streams;
    private long _sent;

    /// <summary>Plays every run.</summary>
    public Func<FakeRun, Task<ExecutionStatus>> Script { get; set; } = _ => Task.FromResult(ExecutionStatus.Ok);

    /// <summary>Looks at each request first; an answer other than null is given instead of the real one.</summary>
    public Func<HttpContext, IResult?>? Intercept { get; set; }

    /// <summary>True for a request whose effect takes place, but whose answer is lost with its connection.</summary>
    public Func<HttpContext, bool>? LoseAnswer { get; set; }

    /// <summary>Event numbers that the hub leaves out.</summary>
    public ConcurrentDictionary<long, bool> Withheld { get; } = new();

    /// <summary>How often each event is sent.</summary>
    public int Copies { get; set; } = 1;

    /// <summary>Event streams end by themselves after so many events, as when a gateway stops gracefully.</summary>
    public int StreamLength { get; set; } = int.MaxValue;

    /// <summary>Requests by method and path, in order.</summary>
    public ConcurrentQueue<string> Requests { get; } = new();

    public ConcurrentDictionary<string, bool> HubConnections { get; } = new();

    /// <summary>A stream was cancelled by its client.</summary>
    public SemaphoreSlim StreamCancelled { get; } = new(0);

    public int Streams => Volatile.Read(ref _streams);

    public long Sent => Interlocked.Read(ref _sent);

    public void StreamBegan() => Interlocked.Increment(ref _streams);

    public void EventSent() => Interlocked.Increment(ref _sent);

    public IReadOnlyList<FakeSandbox> Sandboxes
    {
        get
        {
            lock (_gate)
            {
                return [.. _sandboxes];
            }
        }
    }

    public FakeSandbox Create(CreateSandboxRequest request, string? key = null)
    {
        lock (_gate)
        {
            if (key is not null && _byKey.TryGetValue(key, out var same))
            {
                return same;
            }

            var made = new FakeSandbox(Guid.NewGuid().ToString("N"), request);
            _sandboxes.Add(made);
            _byKey[key ?? made.Id] = made;
            return made;
        }
    }

    public FakeSandbox? Find(string id) => Sandboxes.FirstOrDefault(sandbox => sandbox.Id == id);
}
