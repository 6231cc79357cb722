using System.ComponentModel.DataAnnotations;

namespace KernelGateway.Core.Journals;

/// <summary>Bounds and durability of journals; configuration section <c>Gateway:Journal</c>.</summary>
public sealed class JournalOptions
{
    /// <summary>Most bytes one sandbox's journal keeps; the oldest segments go first. Default 512 MiB.</summary>
    [Range(1 << 20, long.MaxValue, ErrorMessage = "Gateway:Journal:MaxBytes must be at least 1048576 (1 MiB).")]
    public long MaxBytes { get; set; } = 512L << 20;

    /// <summary>Hours for which entries are kept; whole segments that are older go. 0: as long as there is room. Default 0.</summary>
    [Range(0, 87_600, ErrorMessage = "Gateway:Journal:MaxAgeHours must be between 0 (no limit) and 87600.")]
    public double MaxAgeHours { get; set; }

    /// <summary>A segment is closed at this size; what goes at once when the journal is full. Default 8 MiB.</summary>
    [Range(64 << 10, 1 << 30, ErrorMessage = "Gateway:Journal:SegmentBytes must be between 65536 and 1073741824.")]
    public int SegmentBytes { get; set; } = 8 << 20;

    /// <summary>What a power cut may cost, milliseconds; 0: every batch is flushed to the disk before it is shown. A crash of the gateway never costs anything. Default 1000.</summary>
    [Range(0, 3_600_000, ErrorMessage = "Gateway:Journal:FlushIntervalMilliseconds must be between 0 (every batch) and 3600000.")]
    public int FlushIntervalMilliseconds { get; set; } = 1000;
}
