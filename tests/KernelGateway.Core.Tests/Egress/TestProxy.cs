using System.Net;
using System.Net.Sockets;
using System.Text;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Egress;
using KernelGateway.Core.Policies;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace KernelGateway.Core.Tests.Egress;

/// <summary>A proxy on a unix socket with names of its own: whatever ends in <c>.test</c> is on this machine's loopback.</summary>
internal sealed class TestProxy : IAsyncDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly List<EgressDenial> _denials = [];
    private readonly List<string> _lookups = [];

    public TestProxy(NetworkSettings settings, NetworkOptions? options = null, NameResolver? resolver = null)
    {
        options ??= new NetworkOptions();
        options.AllowedPrivateAddresses = options.AllowedPrivateAddresses.Count > 0 ? options.AllowedPrivateAddresses : ["127.0.0.1/32"];
        resolver ??= (name, _) => Task.FromResult(name.EndsWith(".test", StringComparison.Ordinal) ? new[] { IPAddress.Loopback } : []);
        var guard = new NetworkGuard(
            Options.Create(options),
            (name, ct) =>
            {
                lock (_lookups)
                {
                    _lookups.Add(name);
                }

                return resolver(name, ct);
            },
            TimeProvider.System,
            NullLogger<NetworkGuard>.Instance);
        Proxy = new EgressProxy("test", guard, settings, denial =>
        {
            lock (_denials)
            {
                _denials.Add(denial);
            }
        });
        Listen();
    }

    public EgressProxy Proxy { get; }

    public IReadOnlyList<EgressDenial> Denials
    {
        get
        {
            lock (_denials)
            {
                return [.. _denials];
            }
        }
    }

    public IReadOnlyList<string> Lookups
    {
        get
        {
            lock (_lookups)
            {
                return [.. _lookups];
            }
        }
    }

    private string Path => System.IO.Path.Combine(_folder.Path, "proxy");

    public static NetworkSettings Allow(params string[] hosts) => new(NetworkPolicy.Allowlist, hosts, []);

    public void Listen()
    {
        var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(Path));
        listener.Listen(512);
        Proxy.Listen(listener);
    }

    public async Task<Peer> ConnectAsync()
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(Path));
        return new Peer(socket);
    }

    /// <summary>Sends and gives all that comes back until the proxy closes.</summary>
    public async Task<string> AskAsync(string request)
    {
        using var peer = await ConnectAsync();
        await peer.SendAsync(request);
        return await peer.ReadToEndAsync();
    }

    /// <summary>An open tunnel.</summary>
    public async Task<Peer> TunnelAsync(string authority)
    {
        var peer = await ConnectAsync();
        await peer.SendAsync($"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
        (await peer.ReadHeadAsync()).Should().StartWith("HTTP/1.1 200 ");
        return peer;
    }

    public async ValueTask DisposeAsync()
    {
        await Proxy.CloseAsync();
        _folder.Dispose();
    }
}

/// <summary>One end of a connection, with time limits on everything.</summary>
internal sealed class Peer(Socket socket) : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    public Socket Socket => socket;

    public Task SendAsync(string text) => SendAsync(Encoding.Latin1.GetBytes(text));

    public async Task SendAsync(byte[] bytes) => await socket.SendAsync(bytes).WaitAsync(Patience);

    public async Task<byte[]> ReadAsync(int count)
    {
        var bytes = new byte[count];
        for (var at = 0; at < count;)
        {
            var got = await socket.ReceiveAsync(bytes.AsMemory(at)).AsTask().WaitAsync(Patience);
            at += got > 0 ? got : throw new AssertionException($"The connection ended after {at} of {count} bytes.");
        }

        return bytes;
    }

    public async Task<string> ReadHeadAsync()
    {
        var head = new StringBuilder();
        while (!head.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal))
        {
            head.Append(Encoding.Latin1.GetString(await ReadAsync(1)));
        }

        return head.ToString();
    }

    /// <summary>Everything until the end; a reset is one.</summary>
    public async Task<string> ReadToEndAsync()
    {
        var text = new StringBuilder();
        var buffer = new byte[4096];
        try
        {
            int got;
            while ((got = await socket.ReceiveAsync(buffer.AsMemory()).AsTask().WaitAsync(Patience)) > 0)
            {
                text.Append(Encoding.Latin1.GetString(buffer, 0, got));
            }
        }
        catch (SocketException)
        {
        }

        return text.ToString();
    }

    public void Dispose() => socket.Dispose();
}

/// <summary>A server on a loopback address.</summary>
internal sealed class Server : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private readonly TcpListener _listener;

    public Server(string address = "127.0.0.1")
    {
        _listener = new TcpListener(IPAddress.Parse(address), 0);
        _listener.Start();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    public bool HasVisitor => _listener.Pending();

    public async Task<Peer> AcceptAsync() => new(await _listener.AcceptSocketAsync().WaitAsync(Patience));

    public void Dispose() => _listener.Dispose();
}
