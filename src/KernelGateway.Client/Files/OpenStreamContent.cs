using System.Buffers;
using System.Net;

namespace KernelGateway.Client.Files;

/// <summary>A part of a stream that somebody else owns, read as it is sent.</summary>
internal sealed class OpenStreamContent(Stream stream, long skip, long most) : HttpContent
{
    private const int BufferSize = 64 << 10;

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override async Task SerializeToStreamAsync(Stream target, TransportContext? context, CancellationToken cancellationToken)
    {
        if (stream.CanSeek)
        {
            stream.Position = skip;
        }

        var buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        try
        {
            for (var left = most; left > 0;)
            {
                var read = await stream.ReadAsync(buffer.AsMemory(0, (int)Math.Min(buffer.Length, left)), cancellationToken);
                if (read == 0)
                {
                    return;
                }

                await target.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
                left -= read;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    protected override bool TryComputeLength(out long length)
    {
        length = stream.CanSeek ? Math.Min(most, Math.Max(0, stream.Length - skip)) : 0;
        return stream.CanSeek;
    }
}
