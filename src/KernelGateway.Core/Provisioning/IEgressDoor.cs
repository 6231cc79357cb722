using System.Net.Sockets;
using KernelGateway.Core.Errors;

namespace KernelGateway.Core.Provisioning;

/// <summary>The one way out of a place without a network: a socket that nobody but this place sees, and loopback ports in it that lead there.</summary>
public interface IEgressDoor
{
    /// <summary>The address of the HTTP proxy as code in the place has it, for example <c>http://127.0.0.1:3128</c>.</summary>
    string HttpProxy { get; }

    /// <summary>The address of the SOCKS proxy as code in the place has it, for example <c>socks5h://127.0.0.1:1080</c>.</summary>
    string SocksProxy { get; }

    /// <summary>Listens at the place's socket, in place of whoever did before. The path is the same every time, so that the place finds it again.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.KernelFailed"/>: the socket cannot be made.</exception>
    Socket Listen();

    /// <summary>Makes the loopback ports in the place lead to the socket. Can be called again.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.Conflict"/> when code in the place has taken a port; <see cref="ErrorCode.KernelFailed"/> when the place does not answer.</exception>
    Task OpenAsync(CancellationToken cancellationToken);

    /// <summary>Takes the loopback ports and the socket away. Can be called again.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.KernelFailed"/> when the place does not answer.</exception>
    Task CloseAsync(CancellationToken cancellationToken);
}
