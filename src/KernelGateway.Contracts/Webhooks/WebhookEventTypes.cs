namespace KernelGateway.Contracts.Webhooks;

/// <summary>What webhooks tell of: the <c>type</c> of a message, and the words of a webhook's filter. Later versions may add words.</summary>
public static class WebhookEventTypes
{
    /// <summary>A sandbox is being made.</summary>
    public const string Created = "sandbox.created";

    /// <summary>It can be used.</summary>
    public const string Running = "sandbox.running";

    /// <summary>It stands still.</summary>
    public const string Paused = "sandbox.paused";

    /// <summary>It goes on after a pause.</summary>
    public const string Resumed = "sandbox.resumed";

    /// <summary>Its owner changed limits, times, name or tags.</summary>
    public const string Changed = "sandbox.changed";

    /// <summary>It has come to its end; the state says how.</summary>
    public const string Ended = "sandbox.ended";

    /// <summary>A snapshot of it was made.</summary>
    public const string Snapshotted = "sandbox.snapshotted";

    /// <summary>A run of code has ended. Sent only to webhooks whose filter names it.</summary>
    public const string ExecutionFinished = "execution.finished";

    /// <summary>Sent on request, to try a webhook out.</summary>
    public const string Test = "test";

    /// <summary>The words that a filter may have.</summary>
    public static IReadOnlyList<string> All { get; } = [Created, Running, Paused, Resumed, Changed, Ended, Snapshotted, ExecutionFinished];
}
