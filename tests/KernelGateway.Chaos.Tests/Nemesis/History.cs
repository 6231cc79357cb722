using KernelGateway.Contracts.Events;

namespace KernelGateway.Chaos.Tests.Nemesis;

/// <summary>What happened to one sandbox as its clients saw it: what was accepted, and what was shown in which order.</summary>
internal sealed class History
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, PlannedRun> _runs = [];
    private readonly Dictionary<string, string> _idOfKey = [];
    private readonly List<SandboxEvent> _shown = [];
    private readonly List<string> _shownSlowly = [];
    private readonly List<string> _violations = [];
    private TaskCompletionSource _changed = NewSignal();

    public IReadOnlyDictionary<string, PlannedRun> Runs
    {
        get
        {
            lock (_gate)
            {
                return new Dictionary<string, PlannedRun>(_runs);
            }
        }
    }

    public IReadOnlyList<SandboxEvent> Shown
    {
        get
        {
            lock (_gate)
            {
                return [.. _shown];
            }
        }
    }

    /// <summary>Lines of JSON that the slow reader got.</summary>
    public IReadOnlyList<string> ShownSlowly
    {
        get
        {
            lock (_gate)
            {
                return [.. _shownSlowly];
            }
        }
    }

    public IReadOnlyList<string> Violations
    {
        get
        {
            lock (_gate)
            {
                return [.. _violations];
            }
        }
    }

    /// <summary>A request was accepted; its key must always give the same execution.</summary>
    public void Accept(PlannedRun run, string executionId)
    {
        lock (_gate)
        {
            if (!_idOfKey.TryAdd(run.Key, executionId) && _idOfKey[run.Key] != executionId)
            {
                _violations.Add($"key {run.Key} gave {_idOfKey[run.Key]} and then {executionId}");
            }

            _runs[executionId] = run;
        }
    }

    public void Show(SandboxEvent one)
    {
        TaskCompletionSource wake;
        lock (_gate)
        {
            _shown.Add(one);
            wake = _changed;
            _changed = NewSignal();
        }

        wake.SetResult();
    }

    public void ShowSlowly(string line)
    {
        lock (_gate)
        {
            _shownSlowly.Add(line);
        }
    }

    public void Violate(string what)
    {
        lock (_gate)
        {
            _violations.Add(what);
        }
    }

    /// <summary>Waits until an event of a run is shown, or the run has ended.</summary>
    public async Task<SandboxEvent> ShownAsync<T>(string executionId, CancellationToken cancellationToken)
        where T : SandboxEvent
    {
        var looked = 0;
        while (true)
        {
            Task change;
            lock (_gate)
            {
                for (; looked < _shown.Count; looked++)
                {
                    if (_shown[looked].ExecutionId == executionId && _shown[looked] is T or ExecutionFinishedEvent)
                    {
                        return _shown[looked];
                    }
                }

                change = _changed.Task;
            }

            await change.WaitAsync(cancellationToken);
        }
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
