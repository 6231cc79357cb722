using System.Text;
using KernelGateway.Contracts.Files;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Files;
using KernelGateway.Core.Provisioning;

namespace KernelGateway.Provisioners.Tests.Support;

/// <summary>Short forms of what tests do with files.</summary>
internal static class FileSteps
{
    internal static Task<FileEntry> WriteTextAsync(this ISandboxFiles files, string path, string text, CancellationToken cancellationToken) =>
        files.WriteAsync(SandboxPath.Parse(path), new MemoryStream(Encoding.UTF8.GetBytes(text)), new FileWrite(1 << 20), cancellationToken);

    internal static async Task<string> ReadTextAsync(this ISandboxFiles files, string path, CancellationToken cancellationToken)
    {
        using var content = await files.OpenAsync(SandboxPath.Parse(path), cancellationToken);
        var bytes = new byte[content.Entry.Size];
        for (var at = 0; at < bytes.Length;)
        {
            var read = await content.ReadAsync(at, bytes.AsMemory(at), cancellationToken);
            if (read == 0)
            {
                return Encoding.UTF8.GetString(bytes, 0, at);
            }

            at += read;
        }

        return Encoding.UTF8.GetString(bytes);
    }

    internal static async Task ShouldRefuseAsync(this ISandboxFiles files, Func<ISandboxFiles, Task> call, ErrorCode code, string because) =>
        (await files.Awaiting(call).Should().ThrowAsync<GatewayException>("of {0}", because)).Which.Code.Should().Be(code, "of {0}", because);
}

/// <summary>A stream of a known pattern, which can break off.</summary>
internal sealed class PatternStream(long length, long failAt = long.MaxValue, long start = 0) : Stream
{
    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => length;

    public override long Position { get; set; } = start;

    public override int Read(byte[] buffer, int offset, int count)
    {
        if (Position >= failAt)
        {
            throw new IOException("The sender has gone.");
        }

        var read = (int)Math.Min(count, Math.Min(length, failAt) - Position);
        for (var i = 0; i < read; i++)
        {
            buffer[offset + i] = (byte)((Position + i) % 251);
        }

        Position += read;
        return read;
    }

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
