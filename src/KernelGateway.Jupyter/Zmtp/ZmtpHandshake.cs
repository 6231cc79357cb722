using System.Net.Sockets;

namespace KernelGateway.Jupyter.Zmtp;

/// <summary>Greeting and READY on a fresh socket (RFC 23 with the NULL mechanism).</summary>
internal static class ZmtpHandshake
{
    /// <summary>Shakes hands; what the peer sent beyond that stays in <paramref name="input"/>. True if it knows ZMTP 3.1.</summary>
    public static async Task<bool> RunAsync(
        Socket socket, InputBuffer input, ZmtpSocketType type, ZmtpOptions options, CancellationToken cancellationToken)
    {
        await SendAllAsync(socket, ZmtpGreeting.Make(), cancellationToken);
        do
        {
            await ReadMoreAsync(socket, input, ZmtpGreeting.Size, cancellationToken);
            ZmtpGreeting.Check(input.Unread);
        }
        while (input.Count < ZmtpGreeting.Size);

        var knows31 = ZmtpGreeting.Knows31(input.Unread);
        input.Consume(ZmtpGreeting.Size);

        await SendAllAsync(socket, ZmtpCommands.MakeReady(type, options.Identity.Span), cancellationToken);
        var needed = FrameHeader.MaxSize;
        while (!TryReadReady(input, type, ref needed))
        {
            await ReadMoreAsync(socket, input, needed, cancellationToken);
        }

        return knows31;
    }

    private static bool TryReadReady(InputBuffer input, ZmtpSocketType type, ref int needed)
    {
        if (!FrameHeader.TryParse(input.Unread, out var header))
        {
            return false;
        }

        if (!header.Command)
        {
            throw ZmtpException.Violation("The peer sends a message before the handshake is done.");
        }

        if (header.Length > MessageDecoder.MaxCommandBytes)
        {
            throw ZmtpException.Violation($"A handshake command of {header.Length} bytes; at most {MessageDecoder.MaxCommandBytes} are read.");
        }

        needed = header.Size + (int)header.Length;
        if (input.Count < needed)
        {
            return false;
        }

        var name = ZmtpCommands.ReadName(input.Unread[header.Size..needed], out var data);
        if (name.SequenceEqual(ZmtpCommands.Error))
        {
            throw new ZmtpException(ZmtpErrorKind.RefusedByPeer, $"The peer refused the connection: '{ZmtpCommands.ReadReason(data)}'.");
        }

        if (!name.SequenceEqual(ZmtpCommands.Ready))
        {
            throw ZmtpException.Violation("The peer answers the greeting with another command than READY.");
        }

        var peerType = ZmtpCommands.ReadSocketType(data);
        if (!type.Accepts(peerType))
        {
            throw new ZmtpException(ZmtpErrorKind.IncompatibleSocketType, $"The peer is a {peerType} socket, which cannot talk with {type.WireName()}.");
        }

        input.Consume(needed);
        return true;
    }

    private static async Task ReadMoreAsync(Socket socket, InputBuffer input, int needed, CancellationToken cancellationToken)
    {
        var count = await socket.ReceiveAsync(input.Free(needed), SocketFlags.None, cancellationToken);
        if (count == 0)
        {
            throw new ZmtpException(ZmtpErrorKind.ConnectionLost, "The peer closed the connection during the handshake.");
        }

        input.Filled(count);
    }

    private static async Task SendAllAsync(Socket socket, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        while (!bytes.IsEmpty)
        {
            bytes = bytes[await socket.SendAsync(bytes, SocketFlags.None, cancellationToken)..];
        }
    }
}
