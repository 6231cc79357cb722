using System.Buffers.Binary;
using KernelGateway.Jupyter.Zmtp;

namespace KernelGateway.Jupyter.Tests.Zmtp;

/// <summary>Our client against libzmq as the oracle, in both transports and both directions.</summary>
[TestFixture("ipc")]
[TestFixture("tcp")]
[Parallelizable(ParallelScope.All)]
[CancelAfter(60_000)]
public sealed class LibzmqInteropTests(string transport)
{
    [OneTimeSetUp]
    public void Require() => Requires.Module("zmq");

    [Test]
    public async Task A_dealer_and_a_router_exchange_messages_of_every_shape(CancellationToken cancellationToken)
    {
        await using var peer = await ZmqPeer.StartAsync("ROUTER", transport);
        await using var socket = await ZmtpSocket.ConnectAsync(
            peer.Endpoint, ZmtpSocketType.Dealer, new ZmtpOptions { Identity = "me"u8.ToArray() }, cancellationToken);
        int[][] shapes = [[1], [0], [0, 0, 0], [255], [256], [255, 256, 257], [70_000], [1, 65_536, 3], [5_000_000, 1], [0, 200_000, 0, 64_000, 7]];
        await peer.WriteLineAsync($"echo {shapes.Length}");
        foreach (var shape in shapes)
        {
            var frames = shape.Select(Bytes).ToArray();

            await socket.SendAsync(frames, cancellationToken);
            var answer = await socket.ReceiveAsync(cancellationToken);

            Frames.AsText(answer).Should().Be(Frames.AsText(frames), "the shape is [{0}]", string.Join(", ", shape));
        }

        (await peer.ReadLineAsync()).Should().Be($"echoed {shapes.Length}");
    }

    [Test]
    public async Task A_subscriber_gets_what_it_asked_for_and_nothing_else(CancellationToken cancellationToken)
    {
        await using var peer = await ZmqPeer.StartAsync("XPUB", transport);
        await using var socket = await ZmtpSocket.ConnectAsync(peer.Endpoint, ZmtpSocketType.Sub, cancellationToken: cancellationToken);
        await socket.SubscribeAsync("ab"u8.ToArray(), cancellationToken);
        (await peer.AskAsync("recv")).Should().Be("got 016162");
        await peer.AskAsync("send 6162 -");
        await peer.AskAsync("send 61 00");
        await peer.AskAsync("send 616263 01");
        Frames.AsText(await socket.ReceiveAsync(cancellationToken)).Should().Be("6162 | ");
        Frames.AsText(await socket.ReceiveAsync(cancellationToken)).Should().Be("616263 | 01");
    }

    [Test]
    public async Task A_flood_arrives_whole_and_in_order_though_the_receiver_pauses(CancellationToken cancellationToken)
    {
        const int Count = 30_000;
        await using var peer = await ZmqPeer.StartAsync("XPUB", transport);
        await using var socket = await ZmtpSocket.ConnectAsync(
            peer.Endpoint, ZmtpSocketType.Sub, new ZmtpOptions { ReceiveHighWater = 20_000 }, cancellationToken);
        await socket.SubscribeAsync(default, cancellationToken);
        await peer.AskAsync("recv");
        await peer.WriteLineAsync($"flood {Count} 300");
        for (var i = 0L; i < Count; i++)
        {
            var message = await socket.ReceiveAsync(cancellationToken);
            message.Frames.Should().HaveCount(3);
            BinaryPrimitives.ReadInt64BigEndian(message.Frames[1].Span).Should().Be(i);
            if (i % 1000 == 0)
            {
                await Task.Yield();
            }
        }

        Frames.Texts(await socket.ReceiveAsync(cancellationToken)).Should().Equal("end");
    }

    [Test]
    public async Task A_message_beyond_the_limit_is_marked_and_the_connection_lives_on(CancellationToken cancellationToken)
    {
        await using var peer = await ZmqPeer.StartAsync("XPUB", transport);
        await using var socket = await ZmtpSocket.ConnectAsync(
            peer.Endpoint, ZmtpSocketType.Sub, new ZmtpOptions { MaxFrameBytes = 1_000_000 }, cancellationToken);
        await socket.SubscribeAsync(default, cancellationToken);
        await peer.AskAsync("recv");
        await peer.WriteLineAsync("big 104857600");
        var marker = await socket.ReceiveAsync(cancellationToken);
        marker.Oversize.Should().BeTrue();
        marker.TotalBytes.Should().Be(104_857_600 + 7);
        marker.TotalFrames.Should().Be(3);
        Frames.Texts(marker).Should().Equal("big");
        for (var i = 0; i < 3; i++)
        {
            Frames.Texts(await socket.ReceiveAsync(cancellationToken)).Should().Equal("small", $"{i}");
        }

        socket.ConnectionCount.Should().Be(1);
    }

    [Test]
    public async Task A_req_socket_beats_with_a_rep_as_the_kernels_heartbeat_does(CancellationToken cancellationToken)
    {
        await using var peer = await ZmqPeer.StartAsync("REP", transport);
        await using var socket = await ZmtpSocket.ConnectAsync(peer.Endpoint, ZmtpSocketType.Req, cancellationToken: cancellationToken);
        await peer.WriteLineAsync("echo 50");
        for (var i = 0; i < 50; i++)
        {
            await socket.SendAsync(Frames.Of("ping", $"{i}"), cancellationToken);
            Frames.Texts(await socket.ReceiveAsync(cancellationToken)).Should().Equal("ping", $"{i}");
        }
    }

    [TestCase("PUB", ZmtpSocketType.Dealer)]
    [TestCase("ROUTER", ZmtpSocketType.Sub)]
    [TestCase("XPUB", ZmtpSocketType.Req)]
    public async Task A_peer_of_a_type_that_does_not_fit_is_refused(string kind, ZmtpSocketType type, CancellationToken cancellationToken)
    {
        await using var peer = await ZmqPeer.StartAsync(kind, transport);
        var connect = () => ZmtpSocket.ConnectAsync(peer.Endpoint, type, cancellationToken: cancellationToken);
        (await connect.Should().ThrowAsync<ZmtpException>()).Which.Kind.Should().Be(ZmtpErrorKind.IncompatibleSocketType);
    }

    private static ReadOnlyMemory<byte> Bytes(int count)
    {
        var bytes = new byte[count];
        new Random(count).NextBytes(bytes);
        return bytes;
    }
}
