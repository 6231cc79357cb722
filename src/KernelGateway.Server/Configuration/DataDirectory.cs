using System.Globalization;
using KernelGateway.Core.Sandboxes;
using Microsoft.Extensions.Options;

namespace KernelGateway.Server.Configuration;

/// <summary>The folder of all state, held for this gateway alone as long as it runs.</summary>
internal sealed class DataDirectory : IDisposable
{
    /// <summary>What a lock that somebody else holds fails with.</summary>
    private const int WouldBlock = 11;

    private readonly FileStream _lock;

    public DataDirectory(IOptions<DataOptions> options)
    {
        FullPath = Path.GetFullPath(options.Value.DataDirectory);
        Directory.CreateDirectory(FullPath);
        var path = File("lock");
        try
        {
            _lock = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException e) when (e.HResult == WouldBlock)
        {
            throw new IOException($"Another gateway uses the data folder '{FullPath}'. Stop it, or set Gateway:DataDirectory to another folder.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"The data folder '{FullPath}' cannot be written to: {e.Message} Make it writable for this user, or set Gateway:DataDirectory to another folder.", e);
        }

        _lock.SetLength(0);
        _lock.Write(System.Text.Encoding.ASCII.GetBytes(Environment.ProcessId.ToString(CultureInfo.InvariantCulture)));
        _lock.Flush();
    }

    public string FullPath { get; }

    public string File(string name) => Path.Combine(FullPath, name);

    public void Dispose() => _lock.Dispose();
}
