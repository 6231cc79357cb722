using System.Text.RegularExpressions;
using KernelGateway.Core.Environments;

namespace KernelGateway.Provisioners.Datalayer;

/// <summary>The service's own environments. What is in them is known when their server runs; every one is taken to have a kernel for its language.</summary>
public sealed partial class DatalayerProvisioner
{
    /// <inheritdoc/>
    public async Task<IReadOnlyList<EnvironmentDefinition>?> EnvironmentsAsync(CancellationToken cancellationToken)
    {
        var environments = await _site.EnvironmentsAsync(cancellationToken);
        return [.. environments.Where(one => EnvironmentName().IsMatch(one.Name)).Select(one => Describe(one.Name, one.Title, one.Language))];
    }

    /// <inheritdoc/>
    public EnvironmentDefinition? EnvironmentOf(string name) => EnvironmentName().IsMatch(name) ? Describe(name, name, "python") : null;

    private static EnvironmentDefinition Describe(string name, string title, string language)
    {
        var kernel = language switch { "python" => "python3", "r" => "ir", _ => language };
        return new EnvironmentDefinition
        {
            Name = name,
            Title = title,
            Language = language,
            DefaultKernel = kernel,
            Kernels = new Dictionary<string, EnvironmentKernel> { [kernel] = new() { Argv = [], DisplayName = language, Language = language } },
        };
    }

    [GeneratedRegex(@"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}\z")]
    private static partial Regex EnvironmentName();
}
