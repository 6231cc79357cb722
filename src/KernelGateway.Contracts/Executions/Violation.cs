namespace KernelGateway.Contracts.Executions;

/// <summary>A limit that a run came up against. The run may have gone on all the same.</summary>
/// <param name="Kind">Which limit: <c>oom</c>, <c>pids</c>, <c>disk</c>, <c>output</c>, <c>rate</c> or <c>egress_denied</c>; see <see cref="ReasonCodes"/>.</param>
/// <param name="Message">What happened the first time, in a sentence.</param>
/// <param name="Count">How often.</param>
/// <param name="FirstAt">When the gateway first saw it (UTC).</param>
public sealed record Violation(string Kind, string Message, long Count, DateTimeOffset FirstAt);
