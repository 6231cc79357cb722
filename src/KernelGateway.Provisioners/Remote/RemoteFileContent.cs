using System.Text.Json.Nodes;
using KernelGateway.Contracts.Files;
using KernelGateway.Core.Provisioning;

namespace KernelGateway.Provisioners.Remote;

/// <summary>A file that the utility kernel has opened for us. One who reads it from front to back gets it in large pieces.</summary>
internal sealed class RemoteFileContent(RemoteFiles files, RemoteConnection connection, long handle, FileEntry entry) : IFileContent
{
    /// <summary>Largest piece that is asked for; also what is in memory for each file.</summary>
    private const int MaxPiece = 1 << 20;

    private readonly SemaphoreSlim _turn = new(1, 1);
    private byte[] _ahead = [];
    private long _aheadAt;
    private long _next = -1;
    private int _closed;

    public FileEntry Entry => entry;

    public async ValueTask<int> ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            var known = offset - _aheadAt;
            if (known < 0 || known >= _ahead.Length)
            {
                // The first piece is what was asked for: of a small file, or of one read here and there, no more is wanted.
                var count = Math.Min(offset == _next ? MaxPiece : buffer.Length, MaxPiece);
                var request = new JsonObject { ["handle"] = handle, ["offset"] = offset, ["count"] = count };
                _ahead = (await files.AskAsync("read", request, cancellationToken, connection)).Field("data").Bytes(count);
                (_aheadAt, known) = (offset, 0);
            }

            var read = Math.Min(buffer.Length, _ahead.Length - (int)known);
            _ahead.AsMemory((int)known, read).CopyTo(buffer);
            _next = offset + read;
            if (known + read == _ahead.Length)
            {
                _ahead = [];
            }

            return read;
        }
        finally
        {
            _turn.Release();
        }
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _closed, 1) == 0)
        {
            files.Close(connection, handle, discard: true);
            _turn.Dispose();
        }
    }
}
