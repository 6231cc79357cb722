namespace KernelGateway.Core.Tests.Support;

/// <summary>A folder that is gone when the test is over.</summary>
internal sealed class TempFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("kg-").FullName;

    public static implicit operator string(TempFolder folder) => folder.Path;

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
