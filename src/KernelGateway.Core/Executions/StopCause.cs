using KernelGateway.Contracts;

namespace KernelGateway.Core.Executions;

/// <summary>Why a run that is under way was asked to stop.</summary>
/// <param name="Code"><see cref="ReasonCodes.Timeout"/> or <see cref="ReasonCodes.Interrupted"/>.</param>
/// <param name="Reason">The same in a sentence.</param>
internal sealed record StopCause(string Code, string Reason)
{
    public bool IsTimeout => Code == ReasonCodes.Timeout;

    public static StopCause Timeout(double seconds) =>
        new(ReasonCodes.Timeout, string.Create(System.Globalization.CultureInfo.InvariantCulture, $"It ran past its time limit of {seconds:0.###} s."));

    public static StopCause InterruptedBy(string whom) => new(ReasonCodes.Interrupted, $"Interrupted by {whom}.");
}
