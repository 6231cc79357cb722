using System.Security.Cryptography;
using KernelGateway.Jupyter.Zmtp;

namespace KernelGateway.Jupyter.Tests.Zmtp;

/// <summary>A bound libzmq socket in another process (zmq_peer.py).</summary>
public sealed class ZmqPeer : IAsyncDisposable
{
    private readonly PythonPeer _python;
    private readonly TemporaryFolder? _folder;

    private ZmqPeer(PythonPeer python, TemporaryFolder? folder, string address)
    {
        _python = python;
        _folder = folder;
        Address = address;
    }

    public string Address { get; }

    public ZmtpEndpoint Endpoint => ZmtpEndpoint.Parse(Address);

    /// <param name="kind">ROUTER, PUB, XPUB, REP …</param>
    /// <param name="transport">ipc or tcp.</param>
    public static async Task<ZmqPeer> StartAsync(string kind, string transport)
    {
        var folder = transport == "ipc" ? TemporaryFolder.ForEverybody() : null;
        return await StartAtAsync(kind, folder is null ? "tcp://127.0.0.1:*" : "ipc://" + folder.Of("s"), folder);
    }

    /// <summary>Binds at a known address, for a peer that comes back.</summary>
    public static async Task<ZmqPeer> StartAtAsync(string kind, string address, TemporaryFolder? folder = null, int? uid = null)
    {
        var python = PythonPeer.StartAs(uid, "Zmtp/zmq_peer.py", kind, address);
        try
        {
            return new ZmqPeer(python, folder, (await python.ReadLineAsync()).Split(' ')[1]);
        }
        catch
        {
            await python.DisposeAsync();
            folder?.Dispose();
            throw;
        }
    }

    public int ProcessId => _python.ProcessId;

    public Task WriteLineAsync(string line) => _python.WriteLineAsync(line);

    public Task<string> ReadLineAsync() => _python.ReadLineAsync();

    public Task<string> AskAsync(string line) => _python.AskAsync(line);

    public async ValueTask DisposeAsync()
    {
        await _python.DisposeAsync();
        _folder?.Dispose();
    }
}

/// <summary>Frames in a form in which a difference can be read.</summary>
public static class Frames
{
    public static string AsText(ZmtpMessage message) =>
        (message.Oversize ? $"oversize {message.TotalBytes} in {message.TotalFrames}: " : "") + AsText(message.Frames);

    public static string AsText(IReadOnlyList<ReadOnlyMemory<byte>> frames) => string.Join(
        " | ", frames.Select(f => f.Length <= 32 ? Convert.ToHexString(f.Span) : $"{f.Length} bytes #{Convert.ToHexString(SHA256.HashData(f.Span)).AsSpan(0, 12)}"));

    public static ReadOnlyMemory<byte>[] Of(params string[] texts) =>
        texts.Select(t => new ReadOnlyMemory<byte>(System.Text.Encoding.UTF8.GetBytes(t))).ToArray();

    public static string[] Texts(ZmtpMessage message) =>
        message.Frames.Select(f => System.Text.Encoding.UTF8.GetString(f.Span)).ToArray();
}
