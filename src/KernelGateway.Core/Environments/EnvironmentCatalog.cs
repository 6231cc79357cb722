using System.Text.Json;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Policies;
using KernelGateway.Core.Provisioning;

namespace KernelGateway.Core.Environments;

/// <summary>The environments of this gateway, read once from a folder with one sub-folder each.</summary>
public sealed class EnvironmentCatalog
{
    private readonly SortedDictionary<string, EnvironmentDefinition> _byName = new(StringComparer.Ordinal);

    private EnvironmentCatalog(IEnumerable<EnvironmentDefinition> environments)
    {
        foreach (var environment in environments)
        {
            _byName[environment.Name] = environment;
        }
    }

    /// <summary>By name.</summary>
    public IReadOnlyCollection<EnvironmentDefinition> All => _byName.Values;

    /// <summary>Reads <c>*/environment.json</c> below a folder.</summary>
    /// <exception cref="InvalidDataException">A file cannot be read; the message names it and what is wrong.</exception>
    public static EnvironmentCatalog Load(string directory)
    {
        if (!Directory.Exists(directory))
        {
            throw new InvalidDataException($"The folder of environments '{directory}' does not exist. Set Gateway:EnvironmentsDirectory to the kernel-images folder.");
        }

        return new EnvironmentCatalog(
            Directory.EnumerateDirectories(directory).Select(folder => Path.Combine(folder, "environment.json")).Where(File.Exists).Order(StringComparer.Ordinal).Select(Read));
    }

    /// <summary>Makes a catalog of given environments.</summary>
    public static EnvironmentCatalog Of(params EnvironmentDefinition[] environments) => new(environments);

    /// <summary>The same environments, with what the operator of this host has added to them.</summary>
    /// <exception cref="InvalidDataException">Something was added to an environment that there is not.</exception>
    public EnvironmentCatalog With(HostMountOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return options.Environments.Keys.Where(name => !_byName.ContainsKey(name)).ToList() is { Count: > 0 } unknown
            ? throw new InvalidDataException($"Gateway:Environments has '{string.Join("', '", unknown)}', which is no environment here. Choose of: {string.Join(", ", _byName.Keys)}.")
            : new EnvironmentCatalog(_byName.Values.Select(environment =>
                options.Environments.TryGetValue(environment.Name, out var added) ? environment with { Mounts = added.Mounts } : environment));
    }

    /// <summary>Finds an environment by name; <c>null</c> when this gateway does not have it.</summary>
    public EnvironmentDefinition? Find(string name) => _byName.GetValueOrDefault(name);

    /// <summary>Finds an environment by name, for a variant whose service may have others.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.EnvironmentNotFound"/>; the message lists the names.</exception>
    public EnvironmentDefinition Get(string name, IKernelProvisioner? variant) => Find(name)
        ?? variant?.EnvironmentOf(name)
        ?? throw new GatewayException(
            ErrorCode.EnvironmentNotFound,
            $"There is no environment '{(name.Length > 64 ? name[..64] + "…" : name)}'. Choose one of: {string.Join(", ", _byName.Keys)}.",
            "environment");

    private static EnvironmentDefinition Read(string path)
    {
        try
        {
            var environment = JsonSerializer.Deserialize<EnvironmentDefinition>(File.ReadAllText(path), JsonSerializerOptions.Web)
                ?? throw new JsonException("it is empty");
            if (!environment.Kernels.ContainsKey(environment.DefaultKernel))
            {
                throw new JsonException($"defaultKernel '{environment.DefaultKernel}' is not one of its kernels");
            }

            return environment;
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"The environment file '{path}' is not valid: {e.Message}", e);
        }
    }
}
