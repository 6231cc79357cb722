using System.Globalization;
using System.Text;
using KernelGateway.Client;
using KernelGateway.Contracts.Events;

namespace KernelGateway.Testing;

/// <summary>The numbered lines that a client was shown, in the order in which it was shown them.</summary>
internal sealed class SeenLines
{
    private readonly StringBuilder _rest = new();
    private readonly List<int> _lines = [];
    private readonly List<(int Count, TaskCompletionSource Reached)> _waiting = [];

    public IReadOnlyList<int> Lines
    {
        get
        {
            lock (_lines)
            {
                return [.. _lines];
            }
        }
    }

    public void Take(SandboxEvent one)
    {
        if (one is not OutputEvent { Stream: "stdout" } output)
        {
            return;
        }

        lock (_lines)
        {
            _rest.Append(output.Text);
            var text = _rest.ToString();
            var end = text.LastIndexOf('\n') + 1;
            _rest.Clear().Append(text, end, text.Length - end);
            _lines.AddRange(text[..end].Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => int.Parse(l, CultureInfo.InvariantCulture)));
            foreach (var (_, reached) in _waiting.Where(w => w.Count <= _lines.Count))
            {
                reached.TrySetResult();
            }
        }
    }

    /// <summary>Takes all that a run says; gives how it ended.</summary>
    public async Task<ExecutionFinishedEvent> ReadAsync(RunningCode run, CancellationToken cancellationToken = default)
    {
        await foreach (var one in run.Events(cancellationToken))
        {
            Take(one);
            if (one is ExecutionFinishedEvent finished)
            {
                return finished;
            }
        }

        throw new AssertionException($"The events ended after {Lines.Count} lines.");
    }

    /// <summary>Completes when that many lines were shown.</summary>
    public Task ReachAsync(int count)
    {
        lock (_lines)
        {
            var reached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            if (_lines.Count >= count)
            {
                reached.SetResult();
            }

            _waiting.Add((count, reached));
            return reached.Task;
        }
    }
}
