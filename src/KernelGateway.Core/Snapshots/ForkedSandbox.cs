using KernelGateway.Core.Errors;
using KernelGateway.Core.Sandboxes;

namespace KernelGateway.Core.Snapshots;

/// <summary>What became of one child of a fork; one of the two is there.</summary>
/// <param name="Sandbox">The sandbox, which runs.</param>
/// <param name="Error">Why there is none.</param>
public sealed record ForkedSandbox(Sandbox? Sandbox, GatewayException? Error);
