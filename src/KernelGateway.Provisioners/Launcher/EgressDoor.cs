using System.Globalization;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Native;

namespace KernelGateway.Provisioners.Launcher;

/// <summary>The way out of a place with an agent: a socket in a folder that only this place sees, and two ports that the agent makes lead there.</summary>
internal sealed class EgressDoor(FolderHandle folder, string inside, uint group, LauncherClient agent) : IEgressDoor
{
    private const string Name = "proxy";
    private const int HttpPort = 3128;
    private const int SocksPort = 1080;
    private const int Backlog = 128;
    private const uint OwnerAndGroup = 0x1B0; // 0660

    private static readonly int[] Ports = [HttpPort, SocksPort];

    public string HttpProxy => string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{HttpPort}");

    public string SocksProxy => string.Create(CultureInfo.InvariantCulture, $"socks5h://127.0.0.1:{SocksPort}");

    public Socket Listen()
    {
        // Left by a gateway that was killed. Only the gateway can write to the folder.
        _ = LibC.UnlinkAt(folder.Handle, Name, 0);
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            // Through the descriptor, for a path from the root may be too long for a socket.
            socket.Bind(new UnixDomainSocketEndPoint(folder.PathOf(Name)));
            socket.Listen(Backlog);
            // It was made 0600 of the gateway's: nobody comes in before it is theirs.
            if (LibC.ChownAt(folder.Handle, Name, LibC.SameOwner, group, LibC.AtSymlinkNoFollow) != 0 || LibC.ChmodAt(folder.Handle, Name, OwnerAndGroup, 0) != 0)
            {
                throw new IOException(Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError()));
            }

            return socket;
        }
        catch (Exception error) when (error is SocketException or IOException)
        {
            socket.Dispose();
            throw new GatewayException(ErrorCode.KernelFailed, $"The socket of the sandbox's proxy could not be made: {error.Message}", inner: error);
        }
    }

    public async Task OpenAsync(CancellationToken cancellationToken)
    {
        try
        {
            await agent.ForwardAsync($"{inside}/{Name}", Ports, cancellationToken);
        }
        catch (GatewayException error) when (error.Message.Contains("in use", StringComparison.OrdinalIgnoreCase))
        {
            throw new GatewayException(
                ErrorCode.Conflict,
                $"Code in the sandbox listens on port {HttpPort} or {SocksPort} of its loopback, where its way out must be. End it, and set the network again.",
                inner: error);
        }
    }

    public async Task CloseAsync(CancellationToken cancellationToken)
    {
        _ = LibC.UnlinkAt(folder.Handle, Name, 0);
        await agent.ForwardAsync($"{inside}/{Name}", [], cancellationToken);
    }
}
