using System.Net;
using System.Net.Sockets;
using KernelGateway.Core.Egress;

namespace KernelGateway.Provisioners.JupyterServer;

/// <summary>Makes what connects to a server: over its unix socket, to where the operator says, or only to public addresses.</summary>
internal sealed class ServerDialler(GuardedDialler guarded)
{
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(10);

    internal HttpMessageInvoker Open(string? socket, bool isJudged) => new(
        new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseProxy = false,
            UseCookies = false,
            ConnectTimeout = ConnectTimeout,
            MaxResponseHeadersLength = 64,
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds(30),
            ConnectCallback = async (context, token) =>
                socket is not null ? new NetworkStream(await DialAsync(new UnixDomainSocketEndPoint(socket), new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified), token), ownsSocket: true)
                : isJudged ? new PromptStream(await guarded.ConnectAsync(context.DnsEndPoint.Host, context.DnsEndPoint.Port, token))
                : new PromptStream(await DialAsync(context.DnsEndPoint, new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true }, token)),
        },
        disposeHandler: true);

    private static async Task<Socket> DialAsync(EndPoint where, Socket socket, CancellationToken cancellationToken)
    {
        try
        {
            await socket.ConnectAsync(where, cancellationToken);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
