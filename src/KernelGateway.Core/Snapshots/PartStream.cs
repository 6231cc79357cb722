using System.Security.Cryptography;
using KernelGateway.Contracts.Snapshots;
using KernelGateway.Core.Faults;

namespace KernelGateway.Core.Snapshots;

/// <summary>Writes one part: counts what comes, refuses what is too much, and gives the digest when it is complete and on the disk.</summary>
internal sealed class PartStream : Stream
{
    private readonly string _name;
    private readonly Func<long> _room;
    private readonly FileStream _file;
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private long _size;

    /// <param name="path">Where.</param>
    /// <param name="name">The part's name.</param>
    /// <param name="room">How many bytes it may have now; others are writing too.</param>
    public PartStream(string path, string name, Func<long> room)
    {
        _name = name;
        _room = room;
        _file = new FileStream(path, new FileStreamOptions
        {
            Mode = FileMode.Create,
            Access = FileAccess.Write,
            BufferSize = 128 << 10,
            Options = FileOptions.Asynchronous,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        });
    }

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => Volatile.Read(ref _size);

    public override long Position
    {
        get => _size;
        set => throw new NotSupportedException();
    }

    /// <summary>Puts it on the disk.</summary>
    public async Task<SnapshotPart> CompleteAsync(CancellationToken cancellationToken)
    {
        await _file.FlushAsync(cancellationToken);
        _file.Flush(flushToDisk: true);
        Fault.At("snapshot.part_written");
        return new SnapshotPart(_name, _size, Convert.ToHexStringLower(_hash.GetCurrentHash()));
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        Take(buffer);
        _file.Write(buffer);
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Take(buffer.Span);
        await _file.WriteAsync(buffer, cancellationToken);
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Flush() => _file.Flush();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override async ValueTask DisposeAsync()
    {
        await _file.DisposeAsync();
        await base.DisposeAsync();
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _file.Dispose();
            _hash.Dispose();
        }

        base.Dispose(disposing);
    }

    private void Take(ReadOnlySpan<byte> content)
    {
        if (_size + content.Length > _room())
        {
            throw SnapshotDraft.TooLarge($"with its part '{_name}'");
        }

        Volatile.Write(ref _size, _size + content.Length);
        _hash.AppendData(content);
    }
}
