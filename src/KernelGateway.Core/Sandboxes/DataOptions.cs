using System.ComponentModel.DataAnnotations;

namespace KernelGateway.Core.Sandboxes;

/// <summary>Where the gateway keeps its state; configuration section <c>Gateway</c>.</summary>
public sealed class DataOptions
{
    /// <summary>The folder of all state: records, journals, sockets. Only the gateway may write to it. Keep the path short.</summary>
    [Required(ErrorMessage = "Gateway:DataDirectory must be an absolute path.")]
    public string DataDirectory { get; set; } = Default;

    /// <summary><c>/var/lib/kernel-gateway</c> for root, else <c>kernel-gateway</c> in the user's data folder.</summary>
    public static string Default => Environment.IsPrivilegedProcess
        ? "/var/lib/kernel-gateway"
        : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify), "kernel-gateway");
}
