namespace KernelGateway.Client.Http;

/// <summary>When a request may be sent a second time after a cut.</summary>
internal enum Repeat
{
    /// <summary>It reads, or it has the same effect twice as once, or it carries an idempotency key.</summary>
    Always,

    /// <summary>A second one could do harm, so only when the first surely did not arrive.</summary>
    WhenNotSent,
}
