using System.ComponentModel.DataAnnotations;

namespace KernelGateway.Server.Configuration;

/// <summary>Settings of the server itself; configuration section <c>Gateway</c>.</summary>
public sealed class ServerOptions : IValidatableObject
{
    /// <summary>The folder with one sub-folder per environment. Default: <c>kernel-images</c> beside the program.</summary>
    [Required(ErrorMessage = "Gateway:EnvironmentsDirectory must be the path of a folder with one sub-folder per environment.")]
    public string EnvironmentsDirectory { get; set; } = Path.Combine(AppContext.BaseDirectory, "kernel-images");

    /// <summary>Origins of web pages, for example <c>https://notebooks.example</c>, that may use the gateway from a browser. Default: only its own.</summary>
    public IList<string> AllowedOrigins { get; set; } = [];

    /// <inheritdoc/>
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext) => AllowedOrigins
        .Where(origin => !Uri.TryCreate(origin, UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https") || uri.GetLeftPart(UriPartial.Authority) != origin)
        .Select(origin => new ValidationResult($"Gateway:AllowedOrigins holds '{origin}', which is not an origin such as \"https://notebooks.example\": a scheme and a host, no path."));
}
