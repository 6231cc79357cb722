namespace KernelGateway.Core.KernelLogs;

/// <summary>A place between two records of a kernel's log; three numbers to be stored and resumed from.</summary>
/// <param name="Segment">The number of the segment, from 1.</param>
/// <param name="Offset">Bytes of that segment that lie before this place.</param>
/// <param name="Sequence">The number of the last record before this place; 0 when there is none.</param>
public readonly record struct KernelLogPosition(long Segment, long Offset, long Sequence)
{
    /// <summary>Before the first record of a kernel's life.</summary>
    public static KernelLogPosition Start => new(1, 0, 0);
}
