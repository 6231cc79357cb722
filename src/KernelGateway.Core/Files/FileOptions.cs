using System.ComponentModel.DataAnnotations;

namespace KernelGateway.Core.Files;

/// <summary>Limits of the Files API; configuration section <c>Gateway:Files</c>.</summary>
public sealed class FileOptions
{
    /// <summary>Largest file that can be written, bytes. Default 256 MiB, as for code in a sandbox.</summary>
    [Range(1024, 1L << 40, ErrorMessage = "Gateway:Files:MaxFileBytes must be between 1024 and 1099511627776.")]
    public long MaxFileBytes { get; set; } = 256L << 20;

    /// <summary>Most files of one batch. Default 1000.</summary>
    [Range(1, 10_000, ErrorMessage = "Gateway:Files:MaxBatchFiles must be between 1 and 10000.")]
    public int MaxBatchFiles { get; set; } = 1000;

    /// <summary>Most folders below the listed one that a list goes down. Default 32.</summary>
    [Range(1, 256, ErrorMessage = "Gateway:Files:MaxDepth must be between 1 and 256.")]
    public int MaxDepth { get; set; } = 32;

    /// <summary>Most folders that one watch covers. Default 1024.</summary>
    [Range(1, 100_000, ErrorMessage = "Gateway:Files:MaxWatchedFolders must be between 1 and 100000.")]
    public int MaxWatchedFolders { get; set; } = 1024;
}
