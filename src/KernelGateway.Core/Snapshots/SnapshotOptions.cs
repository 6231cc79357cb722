using System.ComponentModel.DataAnnotations;

namespace KernelGateway.Core.Snapshots;

/// <summary>Limits of snapshots and forks; configuration section <c>Gateway:Snapshots</c>.</summary>
public sealed class SnapshotOptions
{
    /// <summary>Most bytes of one snapshot, files and variables together. Default 2 GiB.</summary>
    [Range(1024, 1L << 40, ErrorMessage = "Gateway:Snapshots:MaxBytes must be between 1024 and 1099511627776.")]
    public long MaxBytes { get; set; } = 2L << 30;

    /// <summary>Most files, folders and links of one snapshot. Default 50000.</summary>
    [Range(1, 1_000_000, ErrorMessage = "Gateway:Snapshots:MaxFiles must be between 1 and 1000000.")]
    public int MaxFiles { get; set; } = 50_000;

    /// <summary>Most bytes of one variable; a larger one is left out and reported. Default 1 GiB.</summary>
    [Range(1024, 1L << 40, ErrorMessage = "Gateway:Snapshots:MaxVariableBytes must be between 1024 and 1099511627776.")]
    public long MaxVariableBytes { get; set; } = 1L << 30;

    /// <summary>Most variables of one context; more are left out and reported. Default 5000.</summary>
    [Range(1, 20_000, ErrorMessage = "Gateway:Snapshots:MaxVariables must be between 1 and 20000.")]
    public int MaxVariables { get; set; } = 5000;

    /// <summary>Most snapshots of one owner. Default 50.</summary>
    [Range(1, 100_000, ErrorMessage = "Gateway:Snapshots:MaxPerOwner must be between 1 and 100000.")]
    public int MaxPerOwner { get; set; } = 50;

    /// <summary>Most bytes of all snapshots of this gateway. Default 20 GiB.</summary>
    [Range(1024, 1L << 50, ErrorMessage = "Gateway:Snapshots:MaxTotalBytes must be between 1024 and 1125899906842624.")]
    public long MaxTotalBytes { get; set; } = 20L << 30;

    /// <summary>How long code that runs may be waited for, and the default of that. Default 60 s.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "01:00:00", ErrorMessage = "Gateway:Snapshots:MaxWait must be between 00:00:00 and 01:00:00.")]
    public TimeSpan MaxWait { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>How long making or restoring one may take, without that waiting. Default 5 minutes.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "1.00:00:00", ErrorMessage = "Gateway:Snapshots:Timeout must be between 00:00:00.1 and 1.00:00:00.")]
    public TimeSpan Timeout { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>Most children of one fork. Default 20.</summary>
    [Range(1, 1000, ErrorMessage = "Gateway:Snapshots:MaxForks must be between 1 and 1000.")]
    public int MaxForks { get; set; } = 20;
}
