using System.Text.Json.Serialization;
using KernelGateway.Core.Policies;

namespace KernelGateway.Core.Environments;

/// <summary>A named recipe to run kernels, read from <c>kernel-images/&lt;name&gt;/environment.json</c>.</summary>
public sealed record EnvironmentDefinition
{
    /// <summary>Unique name, for example <c>python-cpu-env</c>: lower-case letters, digits and dashes.</summary>
    public required string Name { get; init; }

    /// <summary>One line for people.</summary>
    public required string Title { get; init; }

    /// <summary>The language of the default kernel, for example <c>python</c>.</summary>
    public required string Language { get; init; }

    /// <summary>The kernel a new sandbox starts with; a key of <see cref="Kernels"/>.</summary>
    public required string DefaultKernel { get; init; }

    /// <summary>The kernels of this environment by kernelspec name.</summary>
    public required IReadOnlyDictionary<string, EnvironmentKernel> Kernels { get; init; }

    /// <summary>Top-level modules user code may expect to import; shown to callers.</summary>
    public IReadOnlyList<string> Modules { get; init; } = [];

    /// <summary>Packages that users may install into its sandboxes, besides those that the gateway's configuration allows in all; <c>*</c> for all.</summary>
    public IReadOnlyList<string> Packages { get; init; } = [];

    /// <summary>Environment variables for every process of the sandbox.</summary>
    public IReadOnlyDictionary<string, string> Variables { get; init; } = new Dictionary<string, string>();

    /// <summary>Folders of the host that the operator gives to its sandboxes. From the gateway's configuration, never from the file: paths differ from host to host.</summary>
    [JsonIgnore]
    public IReadOnlyList<HostMount> Mounts { get; init; } = [];
}

/// <summary>How to start one kernel of an environment.</summary>
public sealed record EnvironmentKernel
{
    /// <summary>The command; <c>{connection_file}</c> and <c>{launcher}</c> (the folder of the launcher, as seen inside) are substituted.</summary>
    public required IReadOnlyList<string> Argv { get; init; }

    /// <summary>The name shown to people.</summary>
    public required string DisplayName { get; init; }

    /// <summary>The kernel's language.</summary>
    public required string Language { get; init; }

    /// <summary>True when the kernel is started by our launcher and writes the log that the gateway reads; false: it is read from IOPub.</summary>
    public bool KeepsLog { get; init; }

    /// <summary><c>signal</c> or <c>message</c>, as in a kernelspec.</summary>
    public string InterruptMode { get; init; } = "signal";
}
