namespace KernelGateway.Core.Kernels;

/// <summary>Where a session reads what its kernel says: the kernel's own log, or IOPub for kernels that keep none.</summary>
internal interface IKernelOutputSource : IDisposable
{
    /// <summary>Takes the next output; false when there is none now.</summary>
    bool TryRead(out KernelOutput output);

    /// <summary>Completes when there may be something to read. May complete for nothing.</summary>
    ValueTask WaitAsync(CancellationToken cancellationToken);

    /// <summary>Everything read so far is in the gateway's journal and need not be kept for it.</summary>
    void Acknowledge();
}
