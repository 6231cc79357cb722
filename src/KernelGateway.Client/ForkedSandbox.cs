namespace KernelGateway.Client;

/// <summary>One child of a fork: a sandbox, or why there is none.</summary>
/// <param name="Sandbox">The child; as one that was created, it ends when it is disposed.</param>
/// <param name="Error">Why it could not be made.</param>
public sealed record ForkedSandbox(Sandbox? Sandbox, KernelGatewayException? Error);
