using KernelGateway.Core.Environments;

namespace KernelGateway.Provisioners.Docker;

/// <summary>An image, and where in it is what a sandbox needs.</summary>
/// <param name="Name">As it is called.</param>
/// <param name="Id"><c>sha256:</c> and 64 digits.</param>
/// <param name="Python">The interpreter that runs the launcher.</param>
/// <param name="Tini">The first process; <c>null</c> when the engine's own must do.</param>
internal sealed record DockerImage(string Name, string Id, string Python, string? Tini)
{
    private const string UsualPython = "/usr/bin/python3";

    /// <summary>As shown to users.</summary>
    internal string Label => $"{Name}@{Id}";

    /// <summary>The recipe for this image: interpreters lie elsewhere in images that were not made from Debian's packages.</summary>
    internal EnvironmentDefinition Adapt(EnvironmentDefinition environment) => Python == UsualPython
        ? environment
        : environment with
        {
            Kernels = environment.Kernels.ToDictionary(
                kernel => kernel.Key,
                kernel => kernel.Value.Argv is [UsualPython, ..] ? kernel.Value with { Argv = [Python, .. kernel.Value.Argv.Skip(1)] } : kernel.Value),
        };
}
