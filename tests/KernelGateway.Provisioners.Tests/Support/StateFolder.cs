namespace KernelGateway.Provisioners.Tests.Support;

/// <summary>A new folder below /tmp with a short name, searchable by others as the state folder of a gateway must be.</summary>
internal sealed class StateFolder : IDisposable
{
    internal StateFolder()
    {
        Path = $"/tmp/kg-{Guid.NewGuid().ToString("N")[..10]}";
        Directory.CreateDirectory(Path);
        File.SetUnixFileMode(Path, (UnixFileMode)0x1C9); // 0711
    }

    internal string Path { get; }

    public void Dispose()
    {
        using var rm = System.Diagnostics.Process.Start("/bin/rm", ["-rf", "--one-file-system", "--", Path]);
        rm.WaitForExit();
    }
}
