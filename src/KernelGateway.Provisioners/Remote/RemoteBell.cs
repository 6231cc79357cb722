namespace KernelGateway.Provisioners.Remote;

/// <summary>Is rung when the utility kernel has something to ask for. A ring between a look and the wait after it is not missed.</summary>
internal sealed class RemoteBell(TimeProvider time)
{
    private readonly Lock _gate = new();
    private TaskCompletionSource _next = New();
    private long _rings;

    /// <summary>To be asked before a look.</summary>
    internal long Rings => Volatile.Read(ref _rings);

    internal void Ring()
    {
        TaskCompletionSource rung;
        lock (_gate)
        {
            _rings++;
            rung = _next;
            _next = New();
        }

        rung.SetResult();
    }

    /// <summary>Waits for a ring after those that were seen, or until it is time to look anyway.</summary>
    internal async Task WaitAsync(long seen, TimeSpan lookAnyway, CancellationToken cancellationToken)
    {
        Task next;
        lock (_gate)
        {
            if (_rings != seen)
            {
                return;
            }

            next = _next.Task;
        }

        await next.WaitAsync(lookAnyway, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        cancellationToken.ThrowIfCancellationRequested();
    }

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
