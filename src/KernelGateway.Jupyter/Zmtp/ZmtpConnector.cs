using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace KernelGateway.Jupyter.Zmtp;

/// <summary>Makes the connected operating system socket for an endpoint, with the checks it asks for.</summary>
internal static class ZmtpConnector
{
    private const int MaxUnixPathBytes = 107;
    private const int SocketLevel = 1;
    private const int PeerCredentials = 17;

    /// <exception cref="ZmtpException">It could not be connected, or a check refused it.</exception>
    public static async Task<Socket> ConnectAsync(ZmtpEndpoint endpoint, CancellationToken cancellationToken)
    {
        Socket? socket = null;
        try
        {
            if (endpoint.IsIpc)
            {
                socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await ConnectUnixAsync(socket, endpoint, cancellationToken);
                CheckPeer(socket, endpoint);
            }
            else
            {
                socket = await ConnectTcpAsync(endpoint, cancellationToken);
            }

            return socket;
        }
        catch (SocketException e)
        {
            socket?.Dispose();
            throw new ZmtpException(ZmtpErrorKind.ConnectFailed, $"{endpoint} could not be connected: {e.Message}.", e);
        }
        catch
        {
            socket?.Dispose();
            throw;
        }
    }

    private static async Task<Socket> ConnectTcpAsync(ZmtpEndpoint endpoint, CancellationToken cancellationToken)
    {
        EndPoint target = IPAddress.TryParse(endpoint.Host, out var address)
            ? new IPEndPoint(address, endpoint.Port)
            : new DnsEndPoint(endpoint.Host, endpoint.Port);
        var socket = address is null
            ? new Socket(SocketType.Stream, ProtocolType.Tcp)
            : new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.NoDelay = true;
            await socket.ConnectAsync(target, cancellationToken);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static async Task ConnectUnixAsync(Socket socket, ZmtpEndpoint endpoint, CancellationToken cancellationToken)
    {
        var path = endpoint.Path!;
        var fits = Encoding.UTF8.GetByteCount(path) <= MaxUnixPathBytes;
        if (endpoint.DirectoryHandle is null && !endpoint.NoFollow && (fits || path.StartsWith('@')))
        {
            // Abstract names start with a zero byte in the address.
            var name = path.StartsWith('@') ? string.Concat("\0", path.AsSpan(1)) : path;
            if (!fits)
            {
                throw new ZmtpException(ZmtpErrorKind.InvalidEndpoint, $"The name of an abstract socket has at most {MaxUnixPathBytes} bytes.");
            }

            await socket.ConnectAsync(new UnixDomainSocketEndPoint(name), cancellationToken);
            return;
        }

        using var handle = LinuxPaths.OpenSocket(endpoint.DirectoryHandle, path, follow: !endpoint.NoFollow);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(DescriptorPath(handle)), cancellationToken);
    }

    private static string DescriptorPath(SafeFileHandle handle) => $"/proc/self/fd/{handle.DangerousGetHandle()}";

    private static void CheckPeer(Socket socket, ZmtpEndpoint endpoint)
    {
        if (endpoint.ExpectedPeerUid is not { } expected)
        {
            return;
        }

        // struct ucred: pid, uid, gid. Of a listener they are those at the time of listen().
        Span<byte> credentials = stackalloc byte[12];
        socket.GetRawSocketOption(SocketLevel, PeerCredentials, credentials);
        var uid = MemoryMarshal.Read<uint>(credentials[4..]);
        if (uid != expected)
        {
            throw new ZmtpException(ZmtpErrorKind.PeerUidMismatch, $"The process that listens at {endpoint} runs as uid {uid}, not as {expected}.");
        }
    }
}
