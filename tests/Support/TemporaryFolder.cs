namespace KernelGateway.Testing;

/// <summary>A folder that goes with the test. Its path is short, as unix sockets need it.</summary>
public sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("kg-").FullName;

    /// <summary>One in which other users may make files as well.</summary>
    public static TemporaryFolder ForEverybody()
    {
        var folder = new TemporaryFolder();
        File.SetUnixFileMode(folder.Path, (UnixFileMode)0b111_111_111);
        return folder;
    }

    /// <summary>The path of something in it, which need not be there.</summary>
    public string Of(string name) => System.IO.Path.Combine(Path, name);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
