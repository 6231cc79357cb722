using KernelGateway.Contracts;
using KernelGateway.Contracts.Executions;

namespace KernelGateway.Core.Executions;

/// <summary>The limits that one run came up against, one line for each kind, so that it stays small whatever the run does.</summary>
internal sealed class ViolationLog
{
    private readonly Lock _gate = new();
    private IReadOnlyList<Violation> _seen = [];

    /// <summary>As they stand; never changed afterwards.</summary>
    public IReadOnlyList<Violation> Seen
    {
        get
        {
            lock (_gate)
            {
                return _seen;
            }
        }
    }

    /// <summary>Adds what the host has counted meanwhile.</summary>
    public void AddCounted(Provisioning.LimitCounters before, Provisioning.LimitCounters now, DateTimeOffset at)
    {
        AddSome(ReasonCodes.Oom, now.OomKills - before.OomKills, "A process was ended because the sandbox was out of memory.");
        AddSome(ReasonCodes.Pids, now.PidsRefused - before.PidsRefused, "A process or thread was refused because the sandbox had as many as it may have.");

        void AddSome(string kind, long? count, string message)
        {
            if (count > 0)
            {
                Add(kind, message, at, count.Value);
            }
        }
    }

    /// <summary>Counts one or more; the first of a kind gives the sentence and the time.</summary>
    /// <param name="kind">One of <see cref="Contracts.ReasonCodes"/>.</param>
    /// <param name="message">What happened.</param>
    /// <param name="at">When.</param>
    /// <param name="count">How often.</param>
    public void Add(string kind, string message, DateTimeOffset at, long count = 1)
    {
        lock (_gate)
        {
            var known = _seen.FirstOrDefault(v => v.Kind == kind);
            _seen = known is null
                ? [.. _seen, new Violation(kind, message, count, at)]
                : [.. _seen.Select(v => v == known ? v with { Count = v.Count + count } : v)];
        }
    }
}
