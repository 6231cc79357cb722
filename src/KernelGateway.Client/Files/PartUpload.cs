using System.Globalization;
using KernelGateway.Client.Connections;
using KernelGateway.Client.Http;
using KernelGateway.Contracts.Errors;
using KernelGateway.Contracts.Files;

namespace KernelGateway.Client.Files;

/// <summary>Sends a stream part by part; after a cut it asks what has arrived and goes on there.</summary>
internal sealed class PartUpload(KernelGatewayClient client, Stream content, Func<string, (string Name, string? Value)[], string> route)
{
    private const long PartSize = 8 << 20;

    private readonly string _id = Guid.NewGuid().ToString("N");
    private readonly long _start = content.Position;

    public async Task<FileEntry> SendAsync(CancellationToken cancellationToken)
    {
        var outage = new Outage(client);
        long offset = 0;
        while (true)
        {
            var length = content.Length - _start;
            var size = Math.Min(PartSize, length - offset);
            var isLast = offset + size >= length;
            try
            {
                var progress = await client.Http.PutAsync<UploadProgress>(
                    route(_id, [("offset", offset.ToString(CultureInfo.InvariantCulture)), ("complete", isLast ? "true" : null)]),
                    () => new OpenStreamContent(content, _start + offset, size),
                    Repeat.WhenNotSent,
                    null,
                    cancellationToken);
                outage.End();
                offset = progress.Offset;
                if (progress.File is { } file)
                {
                    return file;
                }
            }
            catch (KernelGatewayException error) when (error.Code == ClientErrorCodes.ConnectionLost || (error.Code == ErrorCodes.Conflict && error.Field is "offset" or "uploadId"))
            {
                await outage.PauseAsync(error, cancellationToken);

                // 0 when the last part had arrived and only its answer was lost: sending it all again does no harm.
                offset = (await client.Http.GetAsync<UploadProgress>(route(_id, []), cancellationToken)).Offset;
            }
        }
    }
}
