namespace KernelGateway.Provisioners.Datalayer;

/// <summary>An environment of the service.</summary>
/// <param name="Name">Its name, at most 128 characters.</param>
/// <param name="Title">One line for people.</param>
/// <param name="Language">That of its kernel, in lower case.</param>
/// <param name="BurningRate">Credits a second.</param>
internal sealed record DatalayerEnvironment(string Name, string Title, string Language, double BurningRate);
