using System.Runtime.InteropServices;
using KernelGateway.Jupyter.Tests.Support;
using KernelGateway.Jupyter.Zmtp;

namespace KernelGateway.Jupyter.Tests.Zmtp;

[Parallelizable(ParallelScope.All)]
[CancelAfter(60_000)]
public sealed partial class ReconnectTests
{
    private static readonly ZmtpOptions Quick = new() { Reconnect = new(TimeSpan.FromMilliseconds(5), TimeSpan.FromMilliseconds(50)) };

    [TestCase("ipc")]
    [TestCase("tcp")]
    public async Task A_libzmq_peer_that_restarts_finds_the_same_identity(string transport, CancellationToken cancellationToken)
    {
        Requires.Module("zmq");
        using var folder = TemporaryFolder.ForEverybody();
        var first = await ZmqPeer.StartAtAsync("ROUTER", transport == "ipc" ? "ipc://" + folder.Of("s") : "tcp://127.0.0.1:*");
        await using var socket = await ZmtpSocket.ConnectAsync(
            first.Endpoint, ZmtpSocketType.Dealer, Quick with { Identity = "same"u8.ToArray() }, cancellationToken);
        await socket.SendAsync(Frames.Of("1"), cancellationToken);
        (await first.AskAsync("recv")).Should().Be("got 73616d65 31");
        await first.DisposeAsync();

        await using var second = await ZmqPeer.StartAtAsync("ROUTER", first.Address);
        await Wait.UntilAsync(() => socket.ConnectionCount >= 2, KernelRuns.Patience, "it is connected again", cancellationToken);

        await socket.SendAsync(Frames.Of("2"), cancellationToken);
        (await second.AskAsync("recv")).Should().Be("got 73616d65 32");
        await second.AskAsync("send 73616d65 33");
        var answer = await socket.ReceiveAsync(cancellationToken);
        Frames.Texts(answer).Should().Equal("3");
        answer.ConnectionNumber.Should().Be(2);
    }

    [Test]
    public async Task A_subscriber_subscribes_again_and_a_waiting_receive_survives(CancellationToken cancellationToken)
    {
        Requires.Module("zmq");
        using var folder = TemporaryFolder.ForEverybody();
        var first = await ZmqPeer.StartAtAsync("XPUB", "ipc://" + folder.Of("s"));
        await using var socket = await ZmtpSocket.ConnectAsync(first.Endpoint, ZmtpSocketType.Sub, Quick, cancellationToken);
        await socket.SubscribeAsync("a"u8.ToArray(), cancellationToken);
        (await first.AskAsync("recv")).Should().Be("got 0161");
        var receiving = socket.ReceiveAsync(cancellationToken);
        await first.DisposeAsync();

        await using var second = await ZmqPeer.StartAtAsync("XPUB", first.Address);
        (await second.AskAsync("recv")).Should().Be("got 0161");
        await socket.SubscribeAsync("b"u8.ToArray(), cancellationToken);
        (await second.AskAsync("recv")).Should().Be("got 0162");
        await second.AskAsync("send 63 00");
        await second.AskAsync("send 62 01");
        (await receiving).ConnectionNumber.Should().Be(2);
    }

    [Test]
    public async Task Subscriptions_take_the_form_of_the_peers_version(CancellationToken cancellationToken)
    {
        using var peer = RawPeer.OnIpc();
        var (socket, link) = await peer.ConnectAsync(ZmtpSocketType.Sub, Quick, cancellationToken, minor: 0);
        await using var _ = socket;
        await socket.SubscribeAsync("topic"u8.ToArray(), cancellationToken);
        await socket.SubscribeAsync(default, cancellationToken);
        byte[] old = [.. Wire.Message("\u0001topic"), .. Wire.Message("\u0001")];
        (await link.ReadAsync(old.Length, cancellationToken)).Should().Equal(old, "that is the form of 3.0");
        link.Dispose();

        using var again = await peer.AcceptAsync(cancellationToken);
        await again.ShakeHandsAsync("XPUB", cancellationToken, minor: 1);
        byte[] @new = [.. Wire.Command("SUBSCRIBE", "topic"u8.ToArray()), .. Wire.Command("SUBSCRIBE")];
        (await again.ReadAsync(@new.Length, cancellationToken)).Should().Equal(@new, "that is the form of 3.1");
    }

    [Test]
    public async Task The_states_are_told_in_order_with_their_reasons(CancellationToken cancellationToken)
    {
        using var peer = RawPeer.OnIpc();
        var states = System.Threading.Channels.Channel.CreateUnbounded<string>();
        var options = Quick with { StateChanged = c => states.Writer.TryWrite($"{c.State} {c.ConnectionNumber} {c.Reason?.Kind}") };
        var (socket, link) = await peer.ConnectAsync(ZmtpSocketType.Dealer, options, cancellationToken);
        link.Dispose();
        using var again = await peer.AcceptAsync(cancellationToken);
        await again.ShakeHandsAsync("ROUTER", cancellationToken);
        (await states.Reader.ReadAsync(cancellationToken)).Should().Be("Connected 1 ");
        (await states.Reader.ReadAsync(cancellationToken)).Should().Be("Connecting 1 ConnectionLost");
        (await states.Reader.ReadAsync(cancellationToken)).Should().Be("Connected 2 ");
        await socket.DisposeAsync();
        (await states.Reader.ReadAsync(cancellationToken)).Should().Be("Closed 2 Closed");
    }

    [Test]
    public async Task The_first_connection_waits_for_a_peer_that_binds_later(CancellationToken cancellationToken)
    {
        Requires.Module("zmq");
        using var folder = TemporaryFolder.ForEverybody();
        var connecting = ZmtpSocket.ConnectAsync(ZmtpEndpoint.Parse("ipc://" + folder.Of("s")) with { NoFollow = true }, ZmtpSocketType.Req, Quick, cancellationToken);
        await using var peer = await ZmqPeer.StartAtAsync("REP", "ipc://" + folder.Of("s"));
        await using var socket = await connecting;
        await peer.WriteLineAsync("echo 1");
        await socket.SendAsync(Frames.Of("ping"), cancellationToken);
        Frames.Texts(await socket.ReceiveAsync(cancellationToken)).Should().Equal("ping");
    }

    [Test]
    public async Task A_first_connection_to_nobody_fails_in_time_with_the_cause(CancellationToken cancellationToken)
    {
        var options = Quick with { ConnectTimeout = TimeSpan.FromMilliseconds(150) };
        var connect = () => ZmtpSocket.ConnectAsync(ZmtpEndpoint.Parse("ipc:///nowhere/at-all"), ZmtpSocketType.Req, options, cancellationToken);
        (await connect.Should().ThrowAsync<ZmtpException>().WithMessage("*/nowhere/at-all*")).Which.Kind.Should().Be(ZmtpErrorKind.ConnectFailed);
        using var impatient = new CancellationTokenSource();
        await impatient.CancelAsync();
        var cancelled = () => ZmtpSocket.ConnectAsync(ZmtpEndpoint.Parse("ipc:///nowhere/at-all"), ZmtpSocketType.Req, Quick, impatient.Token);
        await cancelled.Should().ThrowAsync<OperationCanceledException>();
    }

    [Test]
    public async Task A_peer_that_stops_is_found_out_by_heartbeat_and_one_that_lives_is_kept(CancellationToken cancellationToken)
    {
        Requires.Module("zmq");
        var reason = new TaskCompletionSource<ZmtpException>();
        var options = new ZmtpOptions
        {
            HeartbeatInterval = TimeSpan.FromMilliseconds(100),
            Reconnect = null,
            StateChanged = c =>
            {
                if (c.State == ZmtpState.Closed)
                {
                    reason.TrySetResult(c.Reason!);
                }
            },
        };
        await using var peer = await ZmqPeer.StartAsync("ROUTER", "ipc");
        await using var socket = await ZmtpSocket.ConnectAsync(peer.Endpoint, ZmtpSocketType.Dealer, options, cancellationToken);

        // Ten intervals in which libzmq's own thread answers while the peer's program sleeps.
        await peer.AskAsync("sleep 1.0");
        socket.State.Should().Be(ZmtpState.Connected);

        Kill(peer.ProcessId, 19).Should().Be(0);
        (await reason.Task.WaitAsync(cancellationToken)).Kind.Should().Be(ZmtpErrorKind.HeartbeatTimeout);
    }

    [Test]
    public async Task A_libzmq_peer_with_heartbeats_of_its_own_keeps_us(CancellationToken cancellationToken)
    {
        Requires.Module("zmq");
        await using var peer = await ZmqPeer.StartAsync("ROUTER", "tcp");
        await peer.AskAsync("heartbeat 50");
        await using var socket = await ZmtpSocket.ConnectAsync(peer.Endpoint, ZmtpSocketType.Dealer, Quick, cancellationToken);
        await peer.AskAsync("sleep 0.6");
        await peer.WriteLineAsync("echo 1");
        await socket.SendAsync(Frames.Of("x"), cancellationToken);
        await socket.ReceiveAsync(cancellationToken);
        socket.ConnectionCount.Should().Be(1);
    }

    [Test]
    public void A_connection_that_breaks_at_once_does_not_start_the_waits_anew()
    {
        var delay = new ReconnectDelay(new ZmtpReconnect(TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(1)));
        double[] upTo = [100, 200, 400, 800, 1000, 1000];
        foreach (var longest in upTo)
        {
            delay.Next().TotalMilliseconds.Should().BeInRange(longest / 2, longest);
            delay.ConnectionLived(TimeSpan.FromMilliseconds(999));
        }

        delay.ConnectionLived(TimeSpan.FromSeconds(1));
        delay.Next().TotalMilliseconds.Should().BeInRange(50, 100);
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
