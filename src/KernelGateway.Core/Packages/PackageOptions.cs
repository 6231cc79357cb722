using KernelGateway.Core.Policies;
using Microsoft.Extensions.Options;

namespace KernelGateway.Core.Packages;

/// <summary>Which packages can be installed into sandboxes, and from where; configuration section <c>Gateway:Packages</c>.</summary>
public sealed class PackageOptions
{
    /// <summary>The configuration section.</summary>
    public const string Section = "Gateway:Packages";

    /// <summary>The packages that may be asked for, in every environment; <c>*</c> for all. An environment's own <c>packages</c> come on top. Default none.</summary>
    public IReadOnlyList<string> Allowed { get; set; } = [];

    /// <summary>The package index, with the simple API of PEP 503. Default empty: nothing can be installed.</summary>
    public string IndexUrl { get; set; } = "";

    /// <summary>Hosts that the files of the index come from when that is another than its own, as <c>host</c> or <c>host:port</c>. Sandboxes must be allowed to reach them too. Default none.</summary>
    public IReadOnlyList<string> FileHosts { get; set; } = [];

    /// <summary>Most packages of one request. Default 50.</summary>
    public int MaxPackages { get; set; } = 50;

    /// <summary>Time limit of an installation that names none, seconds. Default 300.</summary>
    public double DefaultTimeoutSeconds { get; set; } = 300;
}

/// <summary>Says of each wrong setting how to put it right; all of them at once.</summary>
public sealed class PackageOptionsValidator : IValidateOptions<PackageOptions>
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, PackageOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        var wrong = new List<string>();
        if (options.IndexUrl.Length > 0 && (!Uri.TryCreate(options.IndexUrl, UriKind.Absolute, out var url) || url.Scheme is not ("https" or "http") || url.UserInfo.Length > 0))
        {
            wrong.Add($"{PackageOptions.Section}:{nameof(options.IndexUrl)} is no address of an index; give an absolute https address that ends in /simple/, without user and password, which every sandbox could read.");
        }

        foreach (var package in options.Allowed.Where(package => package != "*" && !PackageNames.IsName(package)))
        {
            wrong.Add($"{PackageOptions.Section}:{nameof(options.Allowed)} has '{package}', which is no name of a package; give names without versions, or *.");
        }

        foreach (var host in options.FileHosts)
        {
            if (!Destination.TryParse(host, 443, out _, out var problem))
            {
                wrong.Add($"{PackageOptions.Section}:{nameof(options.FileHosts)} has '{host}', which {problem}.");
            }
        }

        if (options.MaxPackages is < 1 or > 1000)
        {
            wrong.Add($"{PackageOptions.Section}:{nameof(options.MaxPackages)} is {options.MaxPackages}; give 1 to 1000.");
        }

        if (options.DefaultTimeoutSeconds is not (> 0 and <= 604_800))
        {
            wrong.Add($"{PackageOptions.Section}:{nameof(options.DefaultTimeoutSeconds)} is {options.DefaultTimeoutSeconds}; give more than 0 and at most 604800.");
        }

        return wrong.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(wrong);
    }
}
