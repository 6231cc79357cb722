using KernelGateway.Contracts.Files;
using KernelGateway.Core.Provisioning;
using Microsoft.Win32.SafeHandles;

namespace KernelGateway.Provisioners.Files;

/// <summary>An ordinary file, open for reading. It is closed when the place ends, whoever still reads.</summary>
internal sealed class FileContent : IFileContent
{
    private readonly SafeFileHandle _file;
    private readonly FileUses.Use _use;
    private readonly CancellationTokenRegistration _end;

    internal FileContent(SafeFileHandle file, FileEntry entry, FileUses uses)
    {
        _use = uses.Begin();
        _file = file;
        Entry = entry;
        _end = uses.Ended.Register(Close);
    }

    public FileEntry Entry { get; }

    public async ValueTask<int> ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        try
        {
            return await RandomAccess.ReadAsync(_file, buffer, offset, cancellationToken);
        }
        catch (ObjectDisposedException)
        {
            throw FileRoot.Ended();
        }
    }

    public void Dispose()
    {
        _end.Dispose();
        Close();
    }

    private void Close()
    {
        _file.Dispose();
        _use.Dispose();
    }
}
