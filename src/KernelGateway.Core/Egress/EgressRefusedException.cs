using KernelGateway.Core.Policies;

namespace KernelGateway.Core.Egress;

/// <summary>Why a connection to the world was not made.</summary>
internal enum RefusalKind
{
    /// <summary>The request cannot be understood, or can be understood in two ways.</summary>
    Malformed,

    /// <summary>A rule forbids it.</summary>
    Denied,

    /// <summary>The name has no address.</summary>
    Unresolved,

    /// <summary>Nobody answers at the address.</summary>
    Unreachable,

    /// <summary>It took too long.</summary>
    TimedOut,
}

/// <summary>A connection that is not made; the message is for the user's code.</summary>
internal sealed class EgressRefusedException(RefusalKind kind, string message, NetworkVerdict? verdict = null) : Exception(message)
{
    internal RefusalKind Kind { get; } = kind;

    /// <summary>Which rule it was, when one was.</summary>
    internal NetworkVerdict? Verdict { get; } = verdict;

    internal static EgressRefusedException Denied(string host, NetworkVerdict verdict) =>
        new(RefusalKind.Denied, $"Connection blocked by network allowlist: {Shown.Short(host)} ({verdict.Rule}). {verdict.Hint}", verdict);

    internal static EgressRefusedException Malformed(string problem) => new(RefusalKind.Malformed, problem);
}
