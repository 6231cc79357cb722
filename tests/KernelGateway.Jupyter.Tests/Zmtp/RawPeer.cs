using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using KernelGateway.Jupyter.Zmtp;

namespace KernelGateway.Jupyter.Tests.Zmtp;

/// <summary>A listening socket of the test, for peers that say what no library would.</summary>
public sealed class RawPeer : IDisposable
{
    private readonly Socket _listener;
    private readonly TemporaryFolder? _folder;

    private RawPeer(Socket listener, TemporaryFolder? folder, string address)
    {
        _listener = listener;
        _folder = folder;
        Address = address;
        listener.Listen();
    }

    public string Address { get; }

    public ZmtpEndpoint Endpoint => ZmtpEndpoint.Parse(Address);

    public static RawPeer OnIpc()
    {
        var folder = TemporaryFolder.ForEverybody();
        var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(folder.Of("s")));
        return new RawPeer(listener, folder, "ipc://" + folder.Of("s"));
    }

    public static RawPeer OnTcp()
    {
        var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return new RawPeer(listener, null, $"tcp://127.0.0.1:{((IPEndPoint)listener.LocalEndPoint!).Port}");
    }

    public async Task<RawLink> AcceptAsync(CancellationToken cancellationToken) =>
        new(await _listener.AcceptAsync(cancellationToken));

    /// <summary>A connected socket of ours and this peer's end of it, hands shaken.</summary>
    public async Task<(ZmtpSocket Socket, RawLink Link)> ConnectAsync(
        ZmtpSocketType type, ZmtpOptions options, CancellationToken cancellationToken, byte minor = 1)
    {
        var connecting = ZmtpSocket.ConnectAsync(Endpoint, type, options, cancellationToken);
        var link = await AcceptAsync(cancellationToken);
        await link.ShakeHandsAsync(type == ZmtpSocketType.Sub ? "PUB" : "ROUTER", cancellationToken, minor);
        return (await connecting, link);
    }

    public void Dispose()
    {
        _listener.Dispose();
        _folder?.Dispose();
    }
}

/// <summary>One accepted connection of a <see cref="RawPeer"/>.</summary>
public sealed class RawLink(Socket socket) : IDisposable
{
    public Socket Socket => socket;

    public async Task SendAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        while (!bytes.IsEmpty)
        {
            bytes = bytes[await socket.SendAsync(bytes, SocketFlags.None, cancellationToken)..];
        }
    }

    /// <summary>Each fragment by a system call of its own.</summary>
    public async Task SendInFragmentsAsync(byte[] bytes, int size, CancellationToken cancellationToken)
    {
        for (var at = 0; at < bytes.Length; at += size)
        {
            await SendAsync(bytes.AsMemory(at, Math.Min(size, bytes.Length - at)), cancellationToken);
        }
    }

    public async Task<byte[]> ReadAsync(int count, CancellationToken cancellationToken)
    {
        var bytes = new byte[count];
        for (var at = 0; at < count;)
        {
            var read = await socket.ReceiveAsync(bytes.AsMemory(at), SocketFlags.None, cancellationToken);
            at += read > 0 ? read : throw new EndOfStreamException($"The client closed after {at} of {count} bytes.");
        }

        return bytes;
    }

    /// <summary>Number of bytes until the client closes.</summary>
    public async Task<long> ReadToEndAsync(CancellationToken cancellationToken)
    {
        var buffer = new byte[65_536];
        var sum = 0L;
        try
        {
            while (await socket.ReceiveAsync(buffer, SocketFlags.None, cancellationToken) is > 0 and var read)
            {
                sum += read;
            }
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionReset)
        {
            // Closed with bytes of ours unread; also an end.
        }

        return sum;
    }

    public async Task<(int Flags, byte[] Body)> ReadFrameAsync(CancellationToken cancellationToken)
    {
        var flags = (await ReadAsync(1, cancellationToken))[0];
        var length = (flags & 2) == 0
            ? (await ReadAsync(1, cancellationToken))[0]
            : BinaryPrimitives.ReadInt64BigEndian(await ReadAsync(8, cancellationToken));
        return (flags, await ReadAsync((int)length, cancellationToken));
    }

    /// <summary>The peer's part of the handshake; gives the body of the client's READY.</summary>
    public async Task<byte[]> ShakeHandsAsync(string socketType, CancellationToken cancellationToken, byte minor = 1)
    {
        await SendAsync(Wire.Greeting(minor: minor), cancellationToken);
        var greeting = await ReadAsync(64, cancellationToken);
        greeting.Should().Equal(Wire.Greeting(), "that is the greeting of a 3.1 client");
        await SendAsync(Wire.Ready(socketType), cancellationToken);
        var (flags, ready) = await ReadFrameAsync(cancellationToken);
        flags.Should().Be(4, "READY is a short command");
        return ready;
    }

    public void Dispose() => socket.Dispose();
}
