namespace KernelGateway.Core.Kernels;

/// <summary>Those who want to know when all that a kernel had said, at the moment they asked, has been handed over.</summary>
internal sealed class CatchUpQuestions
{
    private readonly Lock _gate = new();

    // Under the gate: the answer to those who ask now, and the sign for the loop that somebody has.
    private TaskCompletionSource _answer = NewSignal();
    private TaskCompletionSource _asked = NewSignal();

    // Of the loop alone.
    private readonly List<TaskCompletionSource> _taken = [];

    /// <returns>Completes with the answer; never, when the loop ends before.</returns>
    public Task Ask()
    {
        lock (_gate)
        {
            _asked.TrySetResult();
            return _answer.Task;
        }
    }

    /// <summary>Takes what was asked so far, before looking; returns what completes when something more is asked.</summary>
    public Task Take()
    {
        lock (_gate)
        {
            if (_asked.Task.IsCompleted)
            {
                _taken.Add(_answer);
                _answer = NewSignal();
                _asked = NewSignal();
            }

            return _asked.Task;
        }
    }

    /// <summary>Answers what was taken: a look after that has found nothing more.</summary>
    public void Answer()
    {
        _taken.ForEach(answer => answer.TrySetResult());
        _taken.Clear();
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
