using System.Globalization;
using KernelGateway.Contracts.Events;

namespace KernelGateway.Client.Events;

/// <summary>Lets every event through once and in order; a number that was left out is an error.</summary>
internal sealed class EventOrder(long after)
{
    /// <summary>The number of the last event that went through.</summary>
    public long Last { get; private set; } = after;

    /// <summary>False for an event that has been seen already.</summary>
    /// <exception cref="KernelGatewayException"><see cref="ClientErrorCodes.EventGap"/>: events are missing and nobody said so.</exception>
    public bool Accept(SandboxEvent next)
    {
        if (next.Sequence <= Last)
        {
            return false;
        }

        // A truncation stands for all the numbers from the first missing one to its own.
        var first = next is TruncatedEvent truncated ? Math.Min(truncated.FirstMissing, next.Sequence) : next.Sequence;
        if (first > Last + 1)
        {
            throw new KernelGatewayException(
                ClientErrorCodes.EventGap,
                string.Create(CultureInfo.InvariantCulture, $"After event {Last} the gateway sent event {first}: {first - Last - 1} events are missing."));
        }

        Last = next.Sequence;
        return true;
    }
}
