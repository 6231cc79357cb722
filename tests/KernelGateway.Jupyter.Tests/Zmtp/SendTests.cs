using KernelGateway.Jupyter.Zmtp;

namespace KernelGateway.Jupyter.Tests.Zmtp;

[Parallelizable(ParallelScope.All)]
[CancelAfter(60_000)]
public sealed class SendTests
{
    private static readonly ZmtpOptions Options = new() { Reconnect = null };

    [Test]
    public async Task Messages_of_many_senders_are_never_mixed(CancellationToken cancellationToken)
    {
        using var peer = RawPeer.OnIpc();
        var (socket, link) = await peer.ConnectAsync(ZmtpSocketType.Dealer, Options, cancellationToken);
        await using var _ = socket;
        using var __ = link;
        const int Senders = 8;
        const int Each = 60;
        var sending = Enumerable.Range(0, Senders).Select(sender => Task.Run(
            async () =>
            {
                for (var i = 0; i < Each; i++)
                {
                    // Small, one buffer, and larger than the socket's buffer.
                    var body = new byte[i % 3 == 0 ? 5 : i % 3 == 1 ? 60_000 : 300_000];
                    Array.Fill(body, (byte)sender);
                    await socket.SendAsync([new[] { (byte)sender }, new[] { (byte)i }, body], cancellationToken);
                }
            },
            cancellationToken)).ToArray();

        var next = new int[Senders];
        for (var i = 0; i < Senders * Each; i++)
        {
            var sender = (await link.ReadFrameAsync(cancellationToken)).Body.Single();
            (await link.ReadFrameAsync(cancellationToken)).Body.Should().Equal([(byte)next[sender]++], "each sender's messages keep their order");
            var (flags, body) = await link.ReadFrameAsync(cancellationToken);
            (flags & 1).Should().Be(0);
            body.All(b => b == sender).Should().BeTrue("the body is all of sender {0}", sender);
        }

        await Task.WhenAll(sending);
    }

    [TestCase(100, true)]
    [TestCase(255, true)]
    [TestCase(256, true)]
    [TestCase(70_000, false)]
    public async Task A_message_is_written_in_the_forms_of_the_specification(int size, bool small, CancellationToken cancellationToken)
    {
        using var peer = RawPeer.OnTcp();
        var (socket, link) = await peer.ConnectAsync(ZmtpSocketType.Dealer, Options, cancellationToken);
        await using var _ = socket;
        using var __ = link;
        var body = new byte[size];
        var sending = socket.SendAsync([new byte[1], body, default], cancellationToken);
        if (small)
        {
            sending.IsCompletedSuccessfully.Should().BeTrue("a small message is handed over at once");
        }

        var expected = Wire.Message(new byte[1], body, []);
        (await link.ReadAsync(expected.Length, cancellationToken)).Should().Equal(expected);
        await sending;
    }

    [Test]
    public async Task A_peer_that_never_reads_ends_in_a_send_time_out([Values(1000, 1_000_000)] int size, CancellationToken cancellationToken)
    {
        using var peer = RawPeer.OnIpc();
        var (socket, link) = await peer.ConnectAsync(
            ZmtpSocketType.Dealer, Options with { SendTimeout = TimeSpan.FromMilliseconds(200) }, cancellationToken);
        await using var _ = socket;
        using var __ = link;
        var send = async () =>
        {
            while (true)
            {
                await socket.SendAsync([new byte[size]], cancellationToken);
            }
        };
        (await send.Should().ThrowAsync<ZmtpException>()).Which.Kind.Should().Be(ZmtpErrorKind.SendTimeout);
        (await socket.Closed.WaitAsync(cancellationToken)).Kind.Should().Be(ZmtpErrorKind.SendTimeout);
    }

    [Test]
    public async Task Those_who_wait_behind_a_stuck_message_fail_in_time_or_when_cancelled(CancellationToken cancellationToken)
    {
        using var peer = RawPeer.OnIpc();
        var (socket, link) = await peer.ConnectAsync(
            ZmtpSocketType.Dealer, Options with { SendTimeout = TimeSpan.FromMilliseconds(400) }, cancellationToken);
        await using var _ = socket;
        using var __ = link;
        using var impatient = new CancellationTokenSource();
        var stuck = socket.SendAsync([new byte[5_000_000]], cancellationToken).AsTask();
        var cancelled = socket.SendAsync(Frames.Of("a"), impatient.Token).AsTask();
        var waiting = socket.SendAsync(Frames.Of("b"), cancellationToken).AsTask();
        await impatient.CancelAsync();

        var cancel = () => cancelled;
        await cancel.Should().ThrowAsync<OperationCanceledException>();
        foreach (var task in new[] { stuck, waiting })
        {
            var fail = () => task;
            (await fail.Should().ThrowAsync<ZmtpException>()).Which.Kind.Should().Be(ZmtpErrorKind.SendTimeout);
        }
    }

    [Test]
    public async Task An_answer_to_a_ping_waits_for_the_end_of_the_message_under_way(CancellationToken cancellationToken)
    {
        using var peer = RawPeer.OnIpc();
        var (socket, link) = await peer.ConnectAsync(ZmtpSocketType.Dealer, Options, cancellationToken);
        await using var _ = socket;
        using var __ = link;
        var body = new byte[5_000_000];
        var sending = socket.SendAsync([body, body], cancellationToken).AsTask();
        await link.SendAsync((byte[])[.. Wire.Command("PING", 0, 0, 9), .. Wire.Message("the ping was seen")], cancellationToken);
        await socket.ReceiveAsync(cancellationToken);
        for (var frame = 0; frame < 2; frame++)
        {
            var (flags, received) = await link.ReadFrameAsync(cancellationToken);
            flags.Should().Be(frame == 0 ? 3 : 2, "the frames of a message follow each other");
            received.AsSpan().SequenceEqual(body).Should().BeTrue();
        }

        Wire.Frame(4, (await link.ReadFrameAsync(cancellationToken)).Body).Should().Equal(Wire.Command("PONG", 9));
        await sending;
    }

    [Test]
    public async Task A_message_in_flight_at_a_break_is_reported_as_lost(CancellationToken cancellationToken)
    {
        using var peer = RawPeer.OnIpc();
        var (socket, link) = await peer.ConnectAsync(ZmtpSocketType.Dealer, new ZmtpOptions(), cancellationToken);
        await using var _ = socket;
        var sending = socket.SendAsync([new byte[5_000_000]], cancellationToken).AsTask();
        link.Dispose();
        var send = () => sending;
        (await send.Should().ThrowAsync<ZmtpException>()).Which.Kind.Should().Be(ZmtpErrorKind.ConnectionLost);
        using var again = await peer.AcceptAsync(cancellationToken);
        await again.ShakeHandsAsync("ROUTER", cancellationToken);
        await socket.SendAsync(Frames.Of("next"), cancellationToken);
        (await again.ReadFrameAsync(cancellationToken)).Body.Should().Equal("next"u8.ToArray(), "nothing is sent twice");
    }

    [Test]
    public async Task Without_a_connection_a_send_waits_and_then_times_out(CancellationToken cancellationToken)
    {
        using var peer = RawPeer.OnIpc();
        var broken = new TaskCompletionSource();
        var options = new ZmtpOptions
        {
            SendTimeout = TimeSpan.FromMilliseconds(150),
            StateChanged = change =>
            {
                if (change.State == ZmtpState.Connecting)
                {
                    broken.TrySetResult();
                }
            },
        };
        var (socket, link) = await peer.ConnectAsync(ZmtpSocketType.Dealer, options, cancellationToken);
        await using var _ = socket;
        link.Dispose();
        await broken.Task.WaitAsync(cancellationToken);
        var send = async () => await socket.SendAsync(Frames.Of("x"), cancellationToken);
        (await send.Should().ThrowAsync<ZmtpException>().WithMessage("*was not sent*")).Which.Kind.Should().Be(ZmtpErrorKind.SendTimeout);
    }

    [Test]
    public async Task Misuse_is_refused_at_once(CancellationToken cancellationToken)
    {
        using var peer = RawPeer.OnIpc();
        var (socket, link) = await peer.ConnectAsync(ZmtpSocketType.Sub, Options, cancellationToken);
        using var _ = link;
        await using (socket)
        {
            var send = async () => await socket.SendAsync(Frames.Of("x"), cancellationToken);
            await send.Should().ThrowAsync<InvalidOperationException>();
            var tooLong = async () => await socket.SubscribeAsync(new byte[1025], cancellationToken);
            await tooLong.Should().ThrowAsync<ArgumentException>();
        }

        var late = async () => await socket.SubscribeAsync(default, cancellationToken);
        (await late.Should().ThrowAsync<ZmtpException>()).Which.Kind.Should().Be(ZmtpErrorKind.Closed);
        var zero = async () => await ZmtpSocket.ConnectAsync(peer.Endpoint, ZmtpSocketType.Dealer, Options with { Identity = new byte[1] }, cancellationToken);
        await zero.Should().ThrowAsync<ArgumentException>();
    }
}
