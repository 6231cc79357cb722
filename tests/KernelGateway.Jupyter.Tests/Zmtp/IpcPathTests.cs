using System.Net.Sockets;
using System.Runtime.InteropServices;
using KernelGateway.Jupyter.Zmtp;
using Microsoft.Win32.SafeHandles;

namespace KernelGateway.Jupyter.Tests.Zmtp;

/// <summary>What sandboxed code can do to the path of its socket, and what we refuse.</summary>
[Parallelizable(ParallelScope.All)]
[CancelAfter(60_000)]
public sealed partial class IpcPathTests
{
    private static readonly ZmtpOptions Once = new() { Reconnect = null, HandshakeTimeout = TimeSpan.FromSeconds(20) };

    [Test]
    public async Task A_link_in_place_of_the_socket_is_refused_by_path_and_by_folder(CancellationToken cancellationToken)
    {
        using var victim = RawPeer.OnIpc();
        using var folder = TemporaryFolder.ForEverybody();
        File.CreateSymbolicLink(folder.Of("s"), victim.Endpoint.Address[6..]);
        using var handle = OpenFolder(folder.Path);
        ZmtpEndpoint[] endpoints = [ZmtpEndpoint.Parse("ipc://" + folder.Of("s")) with { NoFollow = true }, ZmtpEndpoint.InDirectory(handle, "s")];
        foreach (var endpoint in endpoints)
        {
            (await Failure(endpoint, cancellationToken)).Kind.Should().Be(ZmtpErrorKind.UnsafePath);
        }
    }

    [Test]
    public async Task A_link_in_place_of_a_folder_is_refused_but_an_opened_folder_stays_itself(CancellationToken cancellationToken)
    {
        using var peer = RawPeer.OnIpc();
        using var folder = TemporaryFolder.ForEverybody();
        File.CreateSymbolicLink(folder.Of("d"), Path.GetDirectoryName(peer.Address[6..])!);
        (await Failure(ZmtpEndpoint.Parse($"ipc://{folder.Of("d")}/s") with { NoFollow = true }, cancellationToken)).Kind.Should().Be(ZmtpErrorKind.UnsafePath);

        // The caller opened the folder and knows what it is; how it got there does not matter.
        using var handle = OpenFolder(folder.Of("d"));
        await ReachesAsync(peer, ZmtpEndpoint.InDirectory(handle, "s"), cancellationToken);
    }

    [Test]
    public async Task A_link_swapped_in_at_a_reconnect_closes_the_socket(CancellationToken cancellationToken)
    {
        using var victim = RawPeer.OnIpc();
        using var peer = RawPeer.OnIpc();
        var path = peer.Address[6..];
        var connecting = ZmtpSocket.ConnectAsync(peer.Endpoint with { NoFollow = true }, ZmtpSocketType.Dealer, cancellationToken: cancellationToken);
        var link = await peer.AcceptAsync(cancellationToken);
        await link.ShakeHandsAsync("ROUTER", cancellationToken);
        await using var socket = await connecting;
        File.Delete(path);
        File.CreateSymbolicLink(path, victim.Address[6..]);
        link.Dispose();
        (await socket.Closed.WaitAsync(cancellationToken)).Kind.Should().Be(ZmtpErrorKind.UnsafePath);
    }

    [Test]
    public async Task What_is_not_a_socket_is_refused(CancellationToken cancellationToken)
    {
        using var folder = TemporaryFolder.ForEverybody();
        await File.WriteAllTextAsync(folder.Of("file"), "x", cancellationToken);
        Directory.CreateDirectory(folder.Of("folder"));
        foreach (var name in new[] { "file", "folder" })
        {
            (await Failure(ZmtpEndpoint.Parse("ipc://" + folder.Of(name)) with { NoFollow = true }, cancellationToken)).Kind.Should().Be(ZmtpErrorKind.UnsafePath);
        }

        using var handle = OpenFolder(folder.Path);
        (await Failure(ZmtpEndpoint.InDirectory(handle, "absent"), cancellationToken)).Kind.Should().Be(ZmtpErrorKind.ConnectFailed);
    }

    [TestCase("..")]
    [TestCase("../s")]
    [TestCase("a/b")]
    [TestCase("/etc/s")]
    [TestCase("")]
    [TestCase("a\0b")]
    public void A_name_in_a_folder_is_one_name(string name)
    {
        using var handle = OpenFolder("/tmp");
        var make = () => ZmtpEndpoint.InDirectory(handle, name);
        make.Should().Throw<ZmtpException>().Where(e => e.Kind == ZmtpErrorKind.InvalidEndpoint);
    }

    [Test]
    public async Task A_path_beyond_the_limit_of_the_system_is_reached(CancellationToken cancellationToken)
    {
        using var peer = RawPeer.OnIpc();
        var deep = Path.Combine(Path.GetDirectoryName(peer.Address[6..])!, new string('d', 200));
        Directory.CreateDirectory(deep);
        File.Move(peer.Address[6..], deep + "/s");
        await ReachesAsync(peer, ZmtpEndpoint.Parse($"ipc://{deep}/s"), cancellationToken);
        await ReachesAsync(peer, ZmtpEndpoint.Parse($"ipc://{deep}/s") with { NoFollow = true }, cancellationToken);
        using var handle = OpenFolder(deep);
        await ReachesAsync(peer, ZmtpEndpoint.InDirectory(handle, "s"), cancellationToken);
    }

    [Test]
    public async Task An_abstract_socket_is_reached(CancellationToken cancellationToken)
    {
        var name = $"kgz-{Guid.NewGuid():N}";
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint("\0" + name));
        listener.Listen();
        var connecting = ZmtpSocket.ConnectAsync(ZmtpEndpoint.Parse("ipc://@" + name), ZmtpSocketType.Dealer, Once, cancellationToken);
        using var link = new RawLink(await listener.AcceptAsync(cancellationToken));
        await link.ShakeHandsAsync("ROUTER", cancellationToken);
        await (await connecting).DisposeAsync();
    }

    [Test]
    public async Task A_listener_of_another_uid_gets_not_one_byte(CancellationToken cancellationToken)
    {
        using var peer = RawPeer.OnIpc();
        var connecting = Failure(peer.Endpoint with { ExpectedPeerUid = 54321 }, cancellationToken);
        using var link = await peer.AcceptAsync(cancellationToken);
        var error = await connecting;
        error.Kind.Should().Be(ZmtpErrorKind.PeerUidMismatch);
        error.Message.Should().Contain("54321");
        (await link.ReadToEndAsync(cancellationToken)).Should().Be(0);
    }

    [Test]
    public async Task The_uid_of_the_listening_process_is_what_counts(CancellationToken cancellationToken)
    {
        Requires.Module("zmq");
        Requires.Root();
        using var folder = TemporaryFolder.ForEverybody();
        await using var peer = await ZmqPeer.StartAtAsync("ROUTER", "ipc://" + folder.Of("s"), uid: 54321);
        using var handle = OpenFolder(folder.Path);
        var endpoint = ZmtpEndpoint.InDirectory(handle, "s");
        (await Failure(endpoint with { ExpectedPeerUid = 0 }, cancellationToken)).Kind.Should().Be(ZmtpErrorKind.PeerUidMismatch);
        await using var socket = await ZmtpSocket.ConnectAsync(endpoint with { ExpectedPeerUid = 54321 }, ZmtpSocketType.Dealer, Once, cancellationToken);
        await peer.WriteLineAsync("echo 1");
        await socket.SendAsync(Frames.Of("hello"), cancellationToken);
        Frames.Texts(await socket.ReceiveAsync(cancellationToken)).Should().Equal("hello");
    }

    [Test]
    public async Task No_descriptor_is_left_behind_by_refused_connections(CancellationToken cancellationToken)
    {
        using var folder = TemporaryFolder.ForEverybody();
        await File.WriteAllTextAsync(folder.Of("file"), "x", cancellationToken);
        var endpoint = ZmtpEndpoint.Parse("ipc://" + folder.Of("file")) with { NoFollow = true };
        for (var i = 0; i < 100; i++)
        {
            await Failure(endpoint, cancellationToken);
        }

        Directory.EnumerateFileSystemEntries("/proc/self/fd").Count(fd => new FileInfo(fd).LinkTarget == folder.Of("file")).Should().Be(0);
    }

    [TestCase("tcp://127.0.0.1:5555", true)]
    [TestCase("tcp://localhost:1", true)]
    [TestCase("tcp://[::1]:65535", true)]
    [TestCase("ipc:///run/k-1", true)]
    [TestCase("tcp://127.0.0.1", false)]
    [TestCase("tcp://127.0.0.1:0", false)]
    [TestCase("tcp://127.0.0.1:65536", false)]
    [TestCase("tcp://127.0.0.1:+1", false)]
    [TestCase("tcp://*:5555", false)]
    [TestCase("tcp://::1:5555", false)]
    [TestCase("tcp://:5555", false)]
    [TestCase("ipc://", false)]
    [TestCase("ipc://a\0b", false)]
    [TestCase("inproc://x", false)]
    [TestCase("", false)]
    public void Endpoints_are_read_strictly(string address, bool valid)
    {
        var parse = () => ZmtpEndpoint.Parse(address).ToString();
        if (valid)
        {
            parse().Should().Be(address);
        }
        else
        {
            parse.Should().Throw<ZmtpException>().Where(e => e.Kind == ZmtpErrorKind.InvalidEndpoint);
        }
    }

    [Test]
    public async Task Checks_that_an_endpoint_cannot_do_are_refused(CancellationToken cancellationToken)
    {
        var tcp = ZmtpEndpoint.Parse("tcp://127.0.0.1:1");
        ZmtpEndpoint[] endpoints = [tcp with { NoFollow = true }, tcp with { ExpectedPeerUid = 0 }, ZmtpEndpoint.Parse("ipc://@x") with { NoFollow = true }];
        foreach (var endpoint in endpoints)
        {
            (await Failure(endpoint, cancellationToken)).Kind.Should().Be(ZmtpErrorKind.InvalidEndpoint);
        }
    }

    private static async Task ReachesAsync(RawPeer peer, ZmtpEndpoint endpoint, CancellationToken cancellationToken)
    {
        var connecting = ZmtpSocket.ConnectAsync(endpoint, ZmtpSocketType.Dealer, Once, cancellationToken);
        using var link = await peer.AcceptAsync(cancellationToken);
        await link.ShakeHandsAsync("ROUTER", cancellationToken);
        await (await connecting).DisposeAsync();
    }

    private static async Task<ZmtpException> Failure(ZmtpEndpoint endpoint, CancellationToken cancellationToken)
    {
        var connect = () => ZmtpSocket.ConnectAsync(endpoint, ZmtpSocketType.Dealer, Once, cancellationToken);
        return (await connect.Should().ThrowAsync<ZmtpException>()).Which;
    }

    /// <summary>O_PATH | O_DIRECTORY | O_CLOEXEC.</summary>
    private static SafeFileHandle OpenFolder(string path)
    {
        var descriptor = Open(path, 0x200000 | 0x10000 | 0x80000);
        descriptor.Should().BeGreaterThanOrEqualTo(0);
        return new SafeFileHandle(descriptor, ownsHandle: true);
    }

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);
}
