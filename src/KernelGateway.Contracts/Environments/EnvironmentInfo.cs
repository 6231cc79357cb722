namespace KernelGateway.Contracts.Environments;

/// <summary>A recipe that sandboxes can be made from.</summary>
/// <param name="Name">Unique name, for example <c>python-cpu-env</c>.</param>
/// <param name="Title">One line for people.</param>
/// <param name="Language">The language of its default kernel.</param>
/// <param name="Kernels">The kernelspec names it offers.</param>
/// <param name="Modules">Modules user code may expect to import.</param>
public sealed record EnvironmentInfo(string Name, string Title, string Language, IReadOnlyList<string> Kernels, IReadOnlyList<string> Modules);

/// <summary>The answer of <c>GET /api/v1/environments</c>.</summary>
/// <param name="Items">By name.</param>
public sealed record EnvironmentList(IReadOnlyList<EnvironmentInfo> Items);
