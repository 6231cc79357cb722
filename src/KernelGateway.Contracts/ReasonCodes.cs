namespace KernelGateway.Contracts;

/// <summary>
/// The stable words for why something ended or was left out: <c>reasonCode</c> of executions, kernels and sandboxes, and <c>kind</c> of
/// violations. The sentence beside it is for people and may change; the word does not. Later versions may add words.
/// </summary>
public static class ReasonCodes
{
    /// <summary>A run went on past its time limit.</summary>
    public const string Timeout = "timeout";

    /// <summary>The host ended a process because the sandbox was out of memory.</summary>
    public const string Oom = "oom";

    /// <summary>A process or thread was refused because the sandbox had as many as it may have.</summary>
    public const string Pids = "pids";

    /// <summary>The code was told that there is no room left for its files.</summary>
    public const string Disk = "disk";

    /// <summary>Output was left out: more than is kept of one run.</summary>
    public const string Output = "output";

    /// <summary>Display updates were left out: more in a short time than are kept.</summary>
    public const string Rate = "rate";

    /// <summary>A connection was refused by the network policy.</summary>
    public const string EgressDenied = "egress_denied";

    /// <summary>Somebody interrupted the run; the sentence says who.</summary>
    public const string Interrupted = "interrupted";

    /// <summary>The sandbox was not used for its idle time.</summary>
    public const string Idle = "idle";

    /// <summary>The sandbox's lifetime was over.</summary>
    public const string Lifetime = "lifetime";

    /// <summary>Ended at once, without time to end by itself.</summary>
    public const string Killed = "killed";

    /// <summary>Ended on request, with time to end by itself.</summary>
    public const string Terminated = "terminated";

    /// <summary>The kernel was replaced by a new one on request.</summary>
    public const string Restarted = "restarted";

    /// <summary>The context was removed on request.</summary>
    public const string Removed = "removed";

    /// <summary>A signal that the gateway did not send ended the process; the sentence names it.</summary>
    public const string Signal = "signal";

    /// <summary>The process ended by itself; the sentence says with which code.</summary>
    public const string Exited = "exited";

    /// <summary>The sandbox's first process ended unexpectedly.</summary>
    public const string Died = "died";

    /// <summary>It could not be found, reached or read any more.</summary>
    public const string Lost = "lost";

    /// <summary>It could not be started.</summary>
    public const string Failed = "failed";

    /// <summary>The code raised an error.</summary>
    public const string Error = "error";

    /// <summary>The kernel did not begin with it.</summary>
    public const string Aborted = "aborted";

    /// <summary>The gateway was away, and nobody can tell whether the kernel ever received it.</summary>
    public const string Unknown = "unknown";
}
