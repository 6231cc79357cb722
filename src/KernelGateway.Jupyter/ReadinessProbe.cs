namespace KernelGateway.Jupyter;

/// <summary>One wait for a kernel to be ready: it must have replied, and IOPub must have spoken.</summary>
internal sealed class ReadinessProbe
{
    private readonly TaskCompletionSource _replied = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _spoken = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task HasReplied => _replied.Task;

    public Task HasSpoken => _spoken.Task;

    public void Replied() => _replied.TrySetResult();

    public void IopubSpoke() => _spoken.TrySetResult();

    public void Fail(KernelGoneException reason)
    {
        _replied.TrySetException(reason);
        _spoken.TrySetException(reason);
        _ = _replied.Task.Exception;
        _ = _spoken.Task.Exception;
    }
}
