namespace KernelGateway.Core.KernelLogs;

/// <summary>What a reader accepts from a kernel's log.</summary>
public sealed record KernelLogOptions
{
    /// <summary>The smallest value of <see cref="PayloadLimit"/>: the writer's stand-in for a message that it leaves out must fit.</summary>
    public const int SmallestPayloadLimit = 256 * 1024;

    /// <summary>The largest value of <see cref="PayloadLimit"/>.</summary>
    public const int LargestPayloadLimit = 1024 * 1024 * 1024;

    /// <summary>The largest payload of one record, bytes; a longer one is a fault. Not less than the kernel's KG_LOG_MESSAGE_MAX. Also bounds the reader's memory.</summary>
    public int PayloadLimit { get; init; } = 16 * 1024 * 1024;
}
