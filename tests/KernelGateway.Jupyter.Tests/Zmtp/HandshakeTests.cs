using System.Text;
using FsCheck;
using FsCheck.Fluent;
using KernelGateway.Jupyter.Zmtp;

namespace KernelGateway.Jupyter.Tests.Zmtp;

/// <summary>Peers that begin wrongly: each gets a typed error in time, whatever it sends and however it is cut.</summary>
[Parallelizable(ParallelScope.All)]
[CancelAfter(60_000)]
public sealed class HandshakeTests
{
    // One attempt, so that its own failure is what is seen.
    private static readonly ZmtpOptions Once = new() { Reconnect = null, Identity = "id-7"u8.ToArray() };

    private static IEnumerable<TestCaseData> WrongBeginnings()
    {
        static TestCaseData Case(string name, byte[] bytes, ZmtpErrorKind kind) => new TestCaseData(bytes, kind).SetArgDisplayNames(name);
        byte[] greeting = Wire.Greeting();
        yield return Case("ZMTP 1", [1, 0], ZmtpErrorKind.UnsupportedVersion);
        yield return Case("ZMTP 1 with an identity", [3, 0, 65, 66], ZmtpErrorKind.UnsupportedVersion);
        yield return Case("ZMTP 1 in the long form", [0xFF, 0, 0, 0, 0, 0, 0, 0, 1, 0], ZmtpErrorKind.UnsupportedVersion);
        yield return Case("ZMTP 2", [0xFF, 0, 0, 0, 0, 0, 0, 0, 1, 0x7F, 1, 6], ZmtpErrorKind.UnsupportedVersion);
        yield return Case("HTTP", "HTTP/1.1 400 Bad Request\r\n"u8.ToArray(), ZmtpErrorKind.ProtocolViolation);
        yield return Case("zeros", new byte[64], ZmtpErrorKind.ProtocolViolation);
        yield return Case("PLAIN", Wire.Greeting(mechanism: "PLAIN"), ZmtpErrorKind.UnsupportedMechanism);
        yield return Case("NULLX", Wire.Greeting(mechanism: "NULLX"), ZmtpErrorKind.UnsupportedMechanism);
        yield return Case("wrong type", [.. greeting, .. Wire.Ready("PUB")], ZmtpErrorKind.IncompatibleSocketType);
        yield return Case("no type", [.. greeting, .. Wire.Command("READY")], ZmtpErrorKind.ProtocolViolation);
        yield return Case("type of control characters", [.. greeting, .. Wire.Ready("\u001b[31m")], ZmtpErrorKind.IncompatibleSocketType);
        yield return Case("a message instead of READY", [.. greeting, .. Wire.Message("hello")], ZmtpErrorKind.ProtocolViolation);
        yield return Case("HELLO instead of READY", [.. greeting, .. Wire.Command("HELLO")], ZmtpErrorKind.ProtocolViolation);
        yield return Case("ERROR", [.. greeting, .. Wire.Command("ERROR", 3, 98, 97, 10)], ZmtpErrorKind.RefusedByPeer);
        yield return Case("ERROR cut off", [.. greeting, .. Wire.Command("ERROR", 200, 98)], ZmtpErrorKind.RefusedByPeer);
        yield return Case("reserved flags", [.. greeting, 0x14, 5, 0], ZmtpErrorKind.ProtocolViolation);
        yield return Case("command without a name", [.. greeting, 4, 0], ZmtpErrorKind.ProtocolViolation);
        yield return Case("name beyond the command", [.. greeting, 4, 2, 200, 65], ZmtpErrorKind.ProtocolViolation);
        yield return Case("cut metadata", [.. greeting, .. Wire.Command("READY", 11, 83)], ZmtpErrorKind.ProtocolViolation);
        yield return Case("value beyond the command", [.. greeting, .. Wire.Command("READY", 1, 65, 255, 255, 255, 255)], ZmtpErrorKind.ProtocolViolation);
        yield return Case("huge metadata", [.. greeting, .. Wire.Header(4, 1L << 40)], ZmtpErrorKind.ProtocolViolation);
    }

    [TestCaseSource(nameof(WrongBeginnings))]
    public async Task A_wrong_beginning_is_refused_with_its_kind(byte[] bytes, ZmtpErrorKind kind, CancellationToken cancellationToken)
    {
        foreach (var fragment in new[] { bytes.Length, 1 })
        {
            using var peer = RawPeer.OnIpc();
            var connecting = ZmtpSocket.ConnectAsync(peer.Endpoint, ZmtpSocketType.Dealer, Once, cancellationToken);
            using var link = await peer.AcceptAsync(cancellationToken);
            await SendWhatItTakesAsync(link, bytes, fragment, cancellationToken);

            var error = await Failure(connecting);

            error.Kind.Should().Be(kind, "it says: {0}", error.Message);
            error.Message.Should().NotContain("\u001b").And.NotContain("\n");
            await link.ReadToEndAsync(cancellationToken);
        }
    }

    [Test]
    public async Task A_peer_may_end_in_any_place_of_the_handshake([Values(0, 1, 10, 63, 64, 65, 70)] int after, CancellationToken cancellationToken)
    {
        byte[] bytes = [.. Wire.Greeting(), .. Wire.Ready("ROUTER")];
        using var peer = RawPeer.OnTcp();
        var connecting = ZmtpSocket.ConnectAsync(peer.Endpoint, ZmtpSocketType.Dealer, Once, cancellationToken);
        using (var link = await peer.AcceptAsync(cancellationToken))
        {
            await link.SendAsync(bytes.AsMemory(0, after), cancellationToken);
        }

        (await Failure(connecting)).Kind.Should().Be(ZmtpErrorKind.ConnectionLost);
    }

    [Test]
    public async Task A_peer_that_says_nothing_is_left_in_time(CancellationToken cancellationToken)
    {
        using var peer = RawPeer.OnIpc();
        var options = Once with { HandshakeTimeout = TimeSpan.FromMilliseconds(150) };
        var error = await Failure(ZmtpSocket.ConnectAsync(peer.Endpoint, ZmtpSocketType.Dealer, options, cancellationToken));
        error.Kind.Should().Be(ZmtpErrorKind.HandshakeTimeout);
    }

    [Test]
    public async Task A_backlog_that_is_full_ends_in_time(CancellationToken cancellationToken)
    {
        using var folder = TemporaryFolder.ForEverybody();
        using var listener = new System.Net.Sockets.Socket(System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Stream, 0);
        listener.Bind(new System.Net.Sockets.UnixDomainSocketEndPoint(folder.Of("s")));
        listener.Listen(0);
        var options = Once with { HandshakeTimeout = TimeSpan.FromMilliseconds(150) };
        for (var i = 0; i < 4; i++)
        {
            var error = await Failure(ZmtpSocket.ConnectAsync(ZmtpEndpoint.Parse("ipc://" + folder.Of("s")), ZmtpSocketType.Dealer, options, cancellationToken));
            error.IsTransient.Should().BeTrue("{0}", error);
        }
    }

    [Test]
    public async Task Ready_names_type_and_identity_and_comes_whole_in_any_fragments([Values(1, 2, 3, 7, 64, 65, 1000)] int fragment, CancellationToken cancellationToken)
    {
        using var peer = RawPeer.OnIpc();
        var connecting = ZmtpSocket.ConnectAsync(peer.Endpoint, ZmtpSocketType.Dealer, Once, cancellationToken);
        using var link = await peer.AcceptAsync(cancellationToken);
        await link.SendInFragmentsAsync(
            [.. Wire.Greeting(), .. Wire.Ready("ROUTER", ("X-Much", new byte[60_000])), .. Wire.Message("at once", "behind it")], fragment, cancellationToken);
        await link.ReadAsync(64, cancellationToken);
        var ready = await link.ReadFrameAsync(cancellationToken);

        await using var socket = await connecting;

        Encoding.Latin1.GetString(ready.Body).Should().Be("\u0005READY\u000bSocket-Type\0\0\0\u0006DEALER\u0008Identity\0\0\0\u0004id-7");
        Frames.Texts(await socket.ReceiveAsync(cancellationToken)).Should().Equal("at once", "behind it");
        socket.State.Should().Be(ZmtpState.Connected);
    }

    [Test]
    public void Random_bytes_at_any_point_of_a_connection_end_typed_and_in_time()
    {
        byte[] whole = [.. Wire.Greeting(), .. Wire.Ready("ROUTER"), .. Wire.Message("a", "b")];
        var cases = Gen.Choose(0, whole.Length).Zip(Gen.Choose(0, 255).Select(b => (byte)b).ArrayOf());
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(150), Prop.ForAll(cases.ToArbitrary(), c => AfterGarbageAsync(whole[..c.Item1], c.Item2)));
    }

    private static async Task AfterGarbageAsync(byte[] good, byte[] garbage)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(20), TimeProvider.System);
        using var peer = RawPeer.OnIpc();
        var connecting = ZmtpSocket.ConnectAsync(peer.Endpoint, ZmtpSocketType.Dealer, Once, deadline.Token);
        using (var link = await peer.AcceptAsync(deadline.Token))
        {
            await SendWhatItTakesAsync(link, [.. good, .. garbage], 1000, deadline.Token);
            link.Socket.Shutdown(System.Net.Sockets.SocketShutdown.Send);
            await link.ReadToEndAsync(deadline.Token);
        }

        var read = async () =>
        {
            await using var socket = await connecting;
            while (true)
            {
                await socket.ReceiveAsync(deadline.Token);
            }
        };
        await read.Should().ThrowAsync<ZmtpException>();
    }

    private static async Task SendWhatItTakesAsync(RawLink link, byte[] bytes, int fragment, CancellationToken cancellationToken)
    {
        try
        {
            await link.SendInFragmentsAsync(bytes, fragment, cancellationToken);
        }
        catch (System.Net.Sockets.SocketException)
        {
            // Refused before the end, which is what the test is about.
        }
    }

    private static async Task<ZmtpException> Failure(Task<ZmtpSocket> connecting)
    {
        var connect = async () =>
        {
            await using var socket = await connecting;
        };
        return (await connect.Should().ThrowAsync<ZmtpException>()).Which;
    }
}
