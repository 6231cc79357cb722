using System.ComponentModel.DataAnnotations;

namespace KernelGateway.Server.Configuration;

/// <summary>Settings of the server itself; configuration section <c>Gateway</c>.</summary>
public sealed class ServerOptions
{
    /// <summary>The folder with one sub-folder per environment. Default: <c>kernel-images</c> beside the program.</summary>
    [Required(ErrorMessage = "Gateway:EnvironmentsDirectory must be the path of a folder with one sub-folder per environment.")]
    public string EnvironmentsDirectory { get; set; } = Path.Combine(AppContext.BaseDirectory, "kernel-images");
}
