using System.Net.Sockets;
using System.Text;
using KernelGateway.Provisioners.Tests.Support;

namespace KernelGateway.Provisioners.Tests.Launcher;

/// <summary>A listener on <c>agent</c> in a folder of its own that says what the test tells it to.</summary>
internal sealed class FakeAgent : IDisposable
{
    private readonly StateFolder _folder = new();
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private Socket? _peer;
    private StreamReader? _reader;

    internal string Folder => _folder.Path;

    internal string SocketPath => Path.Combine(_folder.Path, "agent");

    internal void Listen()
    {
        _listener.Bind(new UnixDomainSocketEndPoint(SocketPath));
        _listener.Listen(8);
    }

    internal async Task AcceptAsync()
    {
        _peer = await _listener.AcceptAsync();
        _reader = new StreamReader(new NetworkStream(_peer));
    }

    internal async Task<string> ReadLineAsync() => await _reader!.ReadLineAsync() ?? throw new EndOfStreamException();

    internal Task SendAsync(string text) => SendAsync(Encoding.UTF8.GetBytes(text));

    internal async Task SendAsync(ReadOnlyMemory<byte> bytes) => await _peer!.SendAsync(bytes);

    /// <summary>True when the other side has closed the connection.</summary>
    internal async Task<bool> IsClosedAsync() => await _reader!.ReadLineAsync() is null;

    internal void Drop() => _peer!.Dispose();

    public void Dispose()
    {
        _peer?.Dispose();
        _listener.Dispose();
        _folder.Dispose();
    }
}
