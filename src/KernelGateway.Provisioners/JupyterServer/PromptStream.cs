using System.Net.Sockets;

namespace KernelGateway.Provisioners.JupyterServer;

/// <summary>
/// A TCP connection that acknowledges at once what it has read. A Jupyter Server holds a small answer back until the one before it is
/// acknowledged (Nagle), and Linux puts that off for up to 40 ms: together as much for every cell and every file.
/// </summary>
internal sealed class PromptStream(Socket socket) : NetworkStream(socket, ownsSocket: true)
{
    // Of <netinet/tcp.h>. It holds for one time only, so it is said after each read.
    private const int Tcp = 6;
    private const int QuickAck = 12;

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var read = await base.ReadAsync(buffer, cancellationToken);
        if (read > 0 && OperatingSystem.IsLinux())
        {
            try
            {
                Socket.SetRawSocketOption(Tcp, QuickAck, [1, 0, 0, 0]);
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // The connection is going; the next read says so.
            }
        }

        return read;
    }
}
