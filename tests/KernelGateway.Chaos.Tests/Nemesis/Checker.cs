using System.Text.Json;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Executions;

namespace KernelGateway.Chaos.Tests.Nemesis;

/// <summary>Compares what was shown with what must have been shown.</summary>
internal sealed class Checker
{
    private readonly List<string> _violations = [];

    public IReadOnlyList<string> Violations => _violations;

    public long Lines { get; private set; }

    public long Lost { get; private set; }

    public long Doubled { get; private set; }

    public int Accepted { get; private set; }

    public int Unknown { get; private set; }

    public void Check(string name, History history, int counted, IReadOnlyList<SandboxEvent> again)
    {
        _violations.AddRange(history.Violations.Select(v => $"{name}: {v}"));
        var shown = history.Shown;
        CheckNumbers(name, shown);
        CheckSame(name, "reading again", shown.Select(Text), again.Select(Text).ToList());
        CheckSame(name, "reading slowly", history.ShownSlowly.Select(line => Text(JsonSerializer.Deserialize<SandboxEvent>(line, JsonSerializerOptions.Web)!)), shown.Select(Text).ToList());
        var sure = 0;
        var perhaps = 0;
        foreach (var (id, run) in history.Runs)
        {
            Accepted++;
            var status = CheckRun($"{name} {run.Key} ({run.Kind})", run, [.. shown.Where(e => e.ExecutionId == id)]);
            sure += run.Kind == RunKind.Count && status == ExecutionStatus.Ok ? 1 : 0;
            perhaps += run.Kind == RunKind.Count && status is null ? 1 : 0;
        }

        if (counted < sure || counted > sure + perhaps)
        {
            _violations.Add($"{name}: {sure} counting runs ended well and {perhaps} are unknown, but the kernel counted {counted}");
        }
    }

    private ExecutionStatus? CheckRun(string name, PlannedRun run, List<SandboxEvent> events)
    {
        var queued = events.OfType<ExecutionQueuedEvent>().Count();
        var finished = events.OfType<ExecutionFinishedEvent>().ToList();
        if (queued != 1 || finished.Count != 1)
        {
            _violations.Add($"{name}: accepted {queued} times and ended {finished.Count} times");
            return null;
        }

        if (events[^1] is not ExecutionFinishedEvent)
        {
            _violations.Add($"{name}: said something after its end ({events[^1].GetType().Name})");
        }

        var expected = run.Output.ToList();
        var lines = string.Concat(events.OfType<OutputEvent>().Where(e => e.Stream == "stdout").Select(e => e.Text)).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Lines += lines.Length;
        Doubled += lines.Length - lines.Distinct().Count();
        var status = finished[0].Status;
        if (status is null)
        {
            Unknown++;
            if (lines.Length > 0)
            {
                _violations.Add($"{name}: unknown, but it printed {lines.Length} lines");
            }

            return null;
        }

        Lost += expected.Except(lines).Count();
        if (status != ExecutionStatus.Ok || !lines.SequenceEqual(expected))
        {
            _violations.Add($"{name}: ended {status} ({finished[0].Reason}) with {lines.Length} of {expected.Count} lines; first difference at {lines.Zip(expected).TakeWhile(p => p.First == p.Second).Count()}");
        }

        return status;
    }

    private void CheckNumbers(string name, IReadOnlyList<SandboxEvent> shown)
    {
        for (var i = 0; i < shown.Count; i++)
        {
            if (shown[i].Sequence != i + 1)
            {
                _violations.Add($"{name}: event {i + 1} has the number {shown[i].Sequence}");
                return;
            }
        }

        foreach (var loss in shown.Where(e => e is GapEvent or OmittedEvent or TruncatedEvent))
        {
            _violations.Add($"{name}: {Text(loss)}");
        }
    }

    private void CheckSame(string name, string how, IEnumerable<string> some, List<string> all)
    {
        var at = 0;
        foreach (var one in some)
        {
            if (at >= all.Count || one != all[at])
            {
                _violations.Add($"{name}: {how} differs at {at + 1}: {one} / {(at < all.Count ? all[at] : "nothing")}");
                return;
            }

            at++;
        }
    }

    private static string Text(SandboxEvent one) => JsonSerializer.Serialize(one, JsonSerializerOptions.Web);
}
