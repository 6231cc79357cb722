using System.Buffers.Binary;
using System.Net.Sockets;
using KernelGateway.Core.Errors;
using KernelGateway.Provisioners.Native;

namespace KernelGateway.Provisioners.Launcher;

/// <summary>Connects to the agent's socket in a folder that sandboxed code can write to: no link is followed, and the peer's uid is checked before a byte is sent.</summary>
internal static class AgentSocket
{
    private const string Name = "agent";
    private const int SolSocket = 1;
    private const int SoPeerCredentials = 17;

    private static readonly TimeSpan Step = TimeSpan.FromMilliseconds(1);

    /// <summary>Connects as soon as the agent listens.</summary>
    /// <param name="sockets">The folder of the socket.</param>
    /// <param name="uid">The uid that the agent has on this host.</param>
    /// <param name="gone">Completes when the place has ended, so that there is nothing to wait for.</param>
    /// <param name="within">How long to wait.</param>
    /// <param name="time">For the deadline.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    /// <returns>The socket and the agent's process number on this host.</returns>
    /// <exception cref="GatewayException"><see cref="ErrorCode.KernelFailed"/>: not in time, not the agent, or the place has ended.</exception>
    internal static async Task<(Socket Socket, int Pid)> ConnectAsync(
        FolderHandle sockets,
        uint uid,
        Task gone,
        TimeSpan within,
        TimeProvider time,
        CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(within, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            var bound = sockets.WaitForAsync([Name], both.Token);
            if (await Task.WhenAny(bound, gone) == gone && !bound.IsCompleted)
            {
                await both.CancelAsync();
                throw new GatewayException(ErrorCode.KernelFailed, "The sandbox ended before its agent answered.");
            }

            await bound;
            while (true)
            {
                if (await TryConnectAsync(sockets, uid, both.Token) is { } connected)
                {
                    return connected;
                }

                if (gone.IsCompleted)
                {
                    throw new GatewayException(ErrorCode.KernelFailed, "The sandbox ended before its agent answered.");
                }

                // Bound and not yet listening, which takes microseconds and cannot be watched for.
                await Task.Delay(Step, time, both.Token);
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new GatewayException(ErrorCode.KernelFailed, $"The agent of the sandbox did not listen within {within.TotalSeconds:0.#} seconds.");
        }
    }

    private static async Task<(Socket Socket, int Pid)?> TryConnectAsync(FolderHandle sockets, uint uid, CancellationToken cancellationToken)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            using (var path = sockets.OpenSocket(Name, uid))
            {
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(path.Path), cancellationToken);
            }

            var (pid, peer) = PeerOf(socket);
            if (peer != uid)
            {
                throw new GatewayException(ErrorCode.KernelFailed, $"Uid {peer} listens in place of the sandbox's agent (uid {uid}).");
            }

            return (socket, pid);
        }
        catch (Exception error) when (error is FileNotFoundException || (error is SocketException refused && refused.SocketErrorCode == SocketError.ConnectionRefused))
        {
            // Not bound, or bound and not listening, yet.
            socket.Dispose();
            return null;
        }
        catch (Exception error) when (error is IOException or SocketException)
        {
            socket.Dispose();
            throw new GatewayException(ErrorCode.KernelFailed, $"The sandbox's agent cannot be reached: {error.Message}", inner: error);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>struct ucred: pid, uid, gid of who began to listen.</summary>
    private static (int Pid, uint Uid) PeerOf(Socket socket)
    {
        Span<byte> credentials = stackalloc byte[12];
        socket.GetRawSocketOption(SolSocket, SoPeerCredentials, credentials);
        return (BinaryPrimitives.ReadInt32LittleEndian(credentials), BinaryPrimitives.ReadUInt32LittleEndian(credentials[4..]));
    }
}
