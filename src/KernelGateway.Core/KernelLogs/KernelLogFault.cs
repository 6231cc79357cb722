namespace KernelGateway.Core.KernelLogs;

/// <summary>What is wrong with a kernel's log.</summary>
public enum KernelLogFaultKind
{
    /// <summary>The log's folder is missing though records were read from it, is a link, or belongs to somebody else. Nothing more can be read.</summary>
    Folder,

    /// <summary>A segment is a link, FIFO, device or folder, has several names, belongs to somebody else or may not be read. Its records are lost.</summary>
    Refused,

    /// <summary>A segment is missing though later ones exist, or though it was begun before. Its records are lost.</summary>
    Vanished,

    /// <summary>A segment became shorter than what was read of it. Its later records are lost.</summary>
    Truncated,

    /// <summary>A segment that has a successor ends within a record. That record is lost.</summary>
    Torn,

    /// <summary>A record says it is longer than allowed. It and the rest of its segment are lost.</summary>
    TooLong,

    /// <summary>A record's checksum is wrong. It and the rest of its segment are lost.</summary>
    Checksum,

    /// <summary>A record's checksum is right and its content impossible. It and the rest of its segment are lost.</summary>
    Malformed,

    /// <summary>A record's number was used before. It and the rest of its segment are passed over.</summary>
    Repeated,

    /// <summary>Records are missing before a sound one, which is read next.</summary>
    Gap,
}

/// <summary>One fault of a kernel's log. To be recorded as a gap in what the kernel said.</summary>
/// <param name="Kind">What is wrong.</param>
/// <param name="Segment">The segment in which it was found.</param>
/// <param name="Offset">Bytes of the segment before the place where it was found.</param>
/// <param name="Message">A sentence fit to show.</param>
public sealed record KernelLogFault(KernelLogFaultKind Kind, long Segment, long Offset, string Message);
