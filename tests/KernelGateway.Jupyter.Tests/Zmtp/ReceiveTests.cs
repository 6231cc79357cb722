using KernelGateway.Jupyter.Zmtp;

namespace KernelGateway.Jupyter.Tests.Zmtp;

[Parallelizable(ParallelScope.All)]
[CancelAfter(60_000)]
public sealed class ReceiveTests
{
    private static readonly ZmtpOptions Options = new() { Reconnect = null };

    [Test]
    public async Task Messages_come_in_order_and_own_their_memory([Values(1, 3, 17, 1000, 1_000_000)] int fragment, CancellationToken cancellationToken)
    {
        using var peer = RawPeer.OnIpc();
        var (socket, link) = await peer.ConnectAsync(ZmtpSocketType.Sub, Options, cancellationToken);
        await using var _ = socket;
        using var __ = link;
        var sent = Enumerable.Range(0, fragment == 1_000_000 ? 20_000 : 40).Select(i => $"{i}:{new string('x', i % 300)}").ToArray();
        var sending = link.SendInFragmentsAsync([.. sent.SelectMany(s => Wire.Message("t", s))], fragment, cancellationToken);

        var received = new List<ZmtpMessage>();
        while (received.Count < sent.Length)
        {
            received.Add(await socket.ReceiveAsync(cancellationToken));
        }

        await sending;
        received.Select(m => Frames.Texts(m)[1]).Should().Equal(sent);
    }

    [Test]
    public async Task A_receiver_that_does_not_take_pushes_back_to_the_peer(CancellationToken cancellationToken)
    {
        using var peer = RawPeer.OnIpc();
        var (socket, link) = await peer.ConnectAsync(ZmtpSocketType.Sub, Options with { ReceiveHighWater = 100_000 }, cancellationToken);
        await using var _ = socket;
        using var __ = link;
        var message = Wire.Message(new byte[10_000]);
        link.Socket.Blocking = false;
        var sent = 0L;
        for (var quiet = 0; quiet < 50; quiet++)
        {
            while (link.Socket.Send(message, 0, message.Length, 0, out var error) is > 0 and var count && error == 0)
            {
                message = [.. message[count..], .. message[..count]];
                sent += count;
                quiet = 0;
            }

            // Nobody tells that nothing more is taken.
            await Task.Delay(TimeSpan.FromMilliseconds(2), TimeProvider.System, cancellationToken);
        }

        sent.Should().BeLessThan(1_500_000, "the queue holds 100 kB, the rest stays in the operating system");
        for (var i = 0; i < sent / message.Length; i++)
        {
            (await socket.ReceiveAsync(cancellationToken)).TotalBytes.Should().Be(10_000);
        }
    }

    [Test]
    public async Task With_no_high_water_one_message_is_read_ahead_and_all_arrive(CancellationToken cancellationToken)
    {
        using var peer = RawPeer.OnIpc();
        var (socket, link) = await peer.ConnectAsync(ZmtpSocketType.Sub, Options with { ReceiveHighWater = 0 }, cancellationToken);
        await using var _ = socket;
        using var __ = link;
        await link.SendAsync((byte[])[.. Enumerable.Range(0, 1000).SelectMany(i => Wire.Message($"{i}"))], cancellationToken);
        for (var i = 0; i < 1000; i++)
        {
            Frames.Texts(await socket.ReceiveAsync(cancellationToken)).Should().Equal($"{i}");
        }
    }

    [Test]
    public async Task An_oversize_message_is_marked_and_the_small_ones_after_it_arrive(CancellationToken cancellationToken)
    {
        using var peer = RawPeer.OnTcp();
        var (socket, link) = await peer.ConnectAsync(ZmtpSocketType.Sub, Options with { MaxFrameBytes = 50_000, MaxMessageBytes = 80_000 }, cancellationToken);
        await using var _ = socket;
        using var __ = link;
        var sending = link.SendAsync(
            (byte[])[
                .. Wire.Message("t"u8.ToArray(), "h"u8.ToArray(), new byte[3_000_000], "tail"u8.ToArray()), .. Wire.Message("small"),
                .. Wire.Message(new byte[50_000], new byte[30_000]), .. Wire.Message(new byte[50_000], new byte[30_001]), .. Wire.Message("end"),
            ],
            cancellationToken);

        var seen = new List<string>();
        for (var i = 0; i < 5; i++)
        {
            var message = await socket.ReceiveAsync(cancellationToken);
            seen.Add($"{message.Oversize} {message.TotalBytes} {message.TotalFrames} {string.Join(',', message.Frames.Select(f => f.Length))}");
        }

        await sending;
        seen.Should().Equal("True 3000006 4 1,1", "False 5 1 5", "False 80000 2 50000,30000", "True 80001 2 50000", "False 3 1 3");
        socket.ConnectionCount.Should().Be(1);
    }

    [Test]
    public async Task A_cancelled_receive_loses_no_message(CancellationToken cancellationToken)
    {
        using var peer = RawPeer.OnIpc();
        var (socket, link) = await peer.ConnectAsync(ZmtpSocketType.Sub, Options, cancellationToken);
        await using var _ = socket;
        using var __ = link;
        const int Count = 3000;
        var sending = Task.Run(
            async () =>
            {
                for (var i = 0; i < Count; i++)
                {
                    await link.SendAsync(Wire.Message($"{i}"), cancellationToken);
                }
            },
            cancellationToken);
        var cancelled = 0;
        for (var i = 0; i < Count;)
        {
            using var impatient = new CancellationTokenSource();
            var receiving = socket.ReceiveAsync(impatient.Token);
            if (!receiving.IsCompleted)
            {
                await impatient.CancelAsync();
            }

            try
            {
                Frames.Texts(await receiving).Should().Equal($"{i}");
                i++;
            }
            catch (OperationCanceledException)
            {
                cancelled++;
            }
        }

        await sending;
        cancelled.Should().BePositive("otherwise nothing was tested");
    }

    [Test]
    public async Task A_second_receiver_is_refused_and_the_first_still_gets_its_message(CancellationToken cancellationToken)
    {
        using var peer = RawPeer.OnIpc();
        var (socket, link) = await peer.ConnectAsync(ZmtpSocketType.Dealer, Options, cancellationToken);
        await using var _ = socket;
        using var __ = link;
        var first = socket.ReceiveAsync(cancellationToken);
        var second = async () => await socket.ReceiveAsync(cancellationToken);
        await second.Should().ThrowAsync<InvalidOperationException>();
        await link.SendAsync(Wire.Message("for the first"), cancellationToken);
        Frames.Texts(await first).Should().Equal("for the first");
    }

    [Test]
    public async Task A_ping_is_answered_with_its_context_also_within_a_message_and_while_nobody_receives(CancellationToken cancellationToken)
    {
        using var peer = RawPeer.OnIpc();
        var (socket, link) = await peer.ConnectAsync(ZmtpSocketType.Dealer, Options, cancellationToken);
        await using var _ = socket;
        using var __ = link;
        await link.SendAsync(
            (byte[])[.. Wire.Frame(1, "first"u8.ToArray()), .. Wire.Command("PING", 0, 50, 1, 2, 3), .. Wire.Frame(0, "last"u8.ToArray())], cancellationToken);
        Wire.Frame(4, (await link.ReadFrameAsync(cancellationToken)).Body).Should().Equal(Wire.Command("PONG", 1, 2, 3));
        await link.SendAsync((byte[])[.. Wire.Command("UNHEARD-OF", new byte[2000]), .. Wire.Command("PING", 0, 0)], cancellationToken);
        Wire.Frame(4, (await link.ReadFrameAsync(cancellationToken)).Body).Should().Equal(Wire.Command("PONG"));
        Frames.Texts(await socket.ReceiveAsync(cancellationToken)).Should().Equal("first", "last");
    }

    [Test]
    public async Task A_flood_of_pings_of_a_peer_that_does_not_read_does_not_stop_the_receiving(CancellationToken cancellationToken)
    {
        using var peer = RawPeer.OnIpc();
        var (socket, link) = await peer.ConnectAsync(ZmtpSocketType.Dealer, Options, cancellationToken);
        await using var _ = socket;
        using var __ = link;
        var pings = Enumerable.Repeat(Wire.Command("PING", new byte[18]), 1000).SelectMany(p => p).ToArray();
        for (var i = 0; i < 100; i++)
        {
            await link.SendAsync(pings, cancellationToken);
        }

        await link.SendAsync(Wire.Message("still here"), cancellationToken);
        Frames.Texts(await socket.ReceiveAsync(cancellationToken)).Should().Equal("still here");
    }

    [Test]
    public async Task A_violation_within_a_connection_closes_it_with_a_typed_reason_after_what_came_before(CancellationToken cancellationToken)
    {
        using var peer = RawPeer.OnIpc();
        var (socket, link) = await peer.ConnectAsync(ZmtpSocketType.Dealer, new ZmtpOptions(), cancellationToken);
        await using var _ = socket;
        using var __ = link;
        await link.SendAsync((byte[])[.. Wire.Message("good"), 0x40, 0], cancellationToken);
        (await socket.Closed.WaitAsync(cancellationToken)).Kind.Should().Be(ZmtpErrorKind.ProtocolViolation);
        Frames.Texts(await socket.ReceiveAsync(cancellationToken)).Should().Equal("good");
        var receive = async () => await socket.ReceiveAsync(cancellationToken);
        (await receive.Should().ThrowAsync<ZmtpException>()).Which.Kind.Should().Be(ZmtpErrorKind.ProtocolViolation);
        var send = async () => await socket.SendAsync(Frames.Of("x"), cancellationToken);
        (await send.Should().ThrowAsync<ZmtpException>()).Which.Kind.Should().Be(ZmtpErrorKind.ProtocolViolation);
        socket.State.Should().Be(ZmtpState.Closed);
    }

    [Test]
    public async Task A_reply_to_a_req_socket_loses_its_delimiter_and_one_without_is_a_violation(CancellationToken cancellationToken)
    {
        using var peer = RawPeer.OnIpc();
        var (socket, link) = await peer.ConnectAsync(ZmtpSocketType.Req, Options, cancellationToken);
        await using var _ = socket;
        using var __ = link;
        await socket.SendAsync(Frames.Of("ping"), cancellationToken);
        (await link.ReadAsync(2 + 6, cancellationToken)).Should().Equal(Wire.Message("", "ping"));
        await link.SendAsync((byte[])[.. Wire.Message("", "pong"), .. Wire.Message("no delimiter")], cancellationToken);
        Frames.Texts(await socket.ReceiveAsync(cancellationToken)).Should().Equal("pong");
        (await socket.Closed.WaitAsync(cancellationToken)).Kind.Should().Be(ZmtpErrorKind.ProtocolViolation);
    }

    [Test]
    public async Task Disposing_fails_the_waiting_receive_and_tells_the_reason(CancellationToken cancellationToken)
    {
        using var peer = RawPeer.OnIpc();
        var (socket, link) = await peer.ConnectAsync(ZmtpSocketType.Dealer, new ZmtpOptions(), cancellationToken);
        using var _ = link;
        var receiving = socket.ReceiveAsync(cancellationToken).AsTask();
        await socket.DisposeAsync();
        var receive = () => receiving;
        (await receive.Should().ThrowAsync<ZmtpException>()).Which.Kind.Should().Be(ZmtpErrorKind.Closed);
        (await socket.Closed).Kind.Should().Be(ZmtpErrorKind.Closed);
        (await link.ReadToEndAsync(cancellationToken)).Should().Be(0);
        await socket.DisposeAsync();
    }
}
