using System.Net.Http.Headers;
using KernelGateway.Client.Connections;

namespace KernelGateway.Client.Files;

/// <summary>Reads a file over any number of connections; each goes on in the same version at the byte where the last was cut.</summary>
internal sealed class DownloadStream : Stream
{
    // A line that says nothing for this long is taken for cut.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly KernelGatewayClient _client;
    private readonly string _route;
    private readonly Outage _outage;
    private HttpResponseMessage? _response;
    private Stream? _body;
    private EntityTagHeaderValue? _version;
    private long _length;
    private long _position;

    private DownloadStream(KernelGatewayClient client, string route)
    {
        _client = client;
        _route = route;
        _outage = new Outage(client);
    }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => _length;

    public override long Position
    {
        get => _position;
        set => throw new NotSupportedException();
    }

    public static async Task<DownloadStream> OpenAsync(KernelGatewayClient client, string route, CancellationToken cancellationToken)
    {
        var stream = new DownloadStream(client, route);
        await stream.ConnectAsync(cancellationToken);
        return stream;
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (_position < _length && buffer.Length > 0)
        {
            if (_body is null)
            {
                await ConnectAsync(cancellationToken);
            }

            if (await TryReadAsync(buffer, cancellationToken) is var read && read > 0)
            {
                _position += read;
                _outage.End();
                return read;
            }
        }

        return 0;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) =>
        throw new NotSupportedException("The content comes over the network: read it asynchronously.");

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            Disconnect();
        }

        base.Dispose(disposing);
    }

    /// <summary>Reads from the present connection; 0 when it was cut, and the wait before the next attempt is over.</summary>
    private async Task<int> TryReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(Patience, _client.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        Exception cause;
        try
        {
            var read = await _body!.ReadAsync(buffer, either.Token);
            if (read > 0)
            {
                return read;
            }

            cause = new IOException("The gateway ended the content before its end.");
        }
        catch (Exception error) when (error is HttpRequestException or IOException || (error is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            cause = error;
        }

        Disconnect();
        await _outage.PauseAsync(cause, cancellationToken);
        return 0;
    }

    private async Task ConnectAsync(CancellationToken cancellationToken)
    {
        _response = await _client.Http.OpenAsync(
            () =>
            {
                var request = new HttpRequestMessage(HttpMethod.Get, _route);
                if (_version is not null)
                {
                    request.Headers.Range = new RangeHeaderValue(_position, null);
                    request.Headers.IfMatch.Add(_version);
                }

                return request;
            },
            cancellationToken);
        if (_version is null)
        {
            _version = _response.Headers.ETag;
            _length = _response.Content.Headers.ContentLength ?? 0;
        }

        _body = await _response.Content.ReadAsStreamAsync(cancellationToken);
    }

    private void Disconnect()
    {
        _body?.Dispose();
        _body = null;
        _response?.Dispose();
        _response = null;
    }
}
