using System.Security.Cryptography;
using KernelGateway.Core.Provisioning;

namespace KernelGateway.Core.Snapshots;

/// <summary>The content of a sandbox's file as a stream of the length that it had when it was opened.</summary>
internal sealed class FileContentStream(IFileContent content) : Stream
{
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private long _position;

    public override bool CanRead => true;

    public override bool CanSeek => true; // Only so that its length is known before it is read.

    public override bool CanWrite => false;

    public override long Length => content.Entry.Size;

    public override long Position
    {
        get => _position;
        set
        {
            if (value != _position)
            {
                throw new NotSupportedException();
            }
        }
    }

    /// <summary>The digest of what was read.</summary>
    public string Sha256 => Convert.ToHexStringLower(_hash.GetCurrentHash());

    /// <exception cref="FilesChangedException">The file has become shorter.</exception>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var most = (int)Math.Min(buffer.Length, Length - _position);
        if (most == 0)
        {
            return 0;
        }

        var read = await content.ReadAsync(_position, buffer[..most], cancellationToken);
        if (read == 0)
        {
            throw new FilesChangedException(content.Entry.Path);
        }

        _hash.AppendData(buffer.Span[..read]);
        _position += read;
        return read;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Flush()
    {
        // Nothing is written.
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            content.Dispose();
            _hash.Dispose();
        }

        base.Dispose(disposing);
    }
}

/// <summary>A file was changed between two looks at it.</summary>
internal sealed class FilesChangedException(string path) : Exception
{
    /// <summary>The file.</summary>
    public string Path => path;

    public override string Message => $"{path} was changed.";
}
