using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace KernelGateway.Provisioners.Tests.Docker;

/// <summary>What listens at the socket of an engine and is none: answers whatever a test says, byte for byte.</summary>
internal sealed class FakeEngine : IAsyncDisposable
{
    /// <summary>What a good engine says of itself.</summary>
    internal const string GoodVersion = """{"Version":"20.10.24","ApiVersion":"1.41","MinAPIVersion":"1.12"}""";

    internal const string GoodInfo = """{"OSType":"linux","CgroupDriver":"cgroupfs","SecurityOptions":["name=seccomp,profile=default"]}""";

    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly Func<string, byte[]?> _answer;
    private readonly CancellationTokenSource _end = new();
    private readonly Task _serving;

    /// <param name="path">Where it listens.</param>
    /// <param name="answer">The whole answer to "GET /path"; <c>null</c>: none, ever. An empty one: the connection is closed.</param>
    internal FakeEngine(string path, Func<string, byte[]?> answer)
    {
        _answer = answer;
        _listener.Bind(new UnixDomainSocketEndPoint(path));
        _listener.Listen();
        _serving = ServeAsync();
    }

    /// <summary>Completes when somebody has asked something.</summary>
    internal TaskCompletionSource Asked { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    internal static byte[] Json(string body, int status = 200) =>
        Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {Encoding.UTF8.GetByteCount(body)}\r\nConnection: close\r\n\r\n{body}"));

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        _listener.Dispose();
        await _serving;
        _end.Dispose();
    }

    private async Task ServeAsync()
    {
        var serving = new List<Task>();
        try
        {
            while (true)
            {
                serving.Add(AnswerAsync(await _listener.AcceptAsync(_end.Token)));
            }
        }
        catch (Exception error) when (error is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            await Task.WhenAll(serving);
        }
    }

    private async Task AnswerAsync(Socket connection)
    {
        using (connection)
        {
            try
            {
                var head = new StringBuilder();
                var buffer = new byte[64 << 10];
                while (!head.ToString().Contains("\r\n\r\n", StringComparison.Ordinal))
                {
                    var count = await connection.ReceiveAsync(buffer, _end.Token);
                    if (count == 0)
                    {
                        return;
                    }

                    head.Append(Encoding.ASCII.GetString(buffer, 0, count));
                }

                var words = head.ToString().Split(' ');
                Asked.TrySetResult();
                if (_answer($"{words[0]} {words[1].Split('?')[0]}") is not { } answer)
                {
                    await Task.Delay(Timeout.Infinite, _end.Token);
                    return;
                }

                await connection.SendAsync(answer, _end.Token);
            }
            catch (Exception error) when (error is OperationCanceledException or SocketException)
            {
                // Whoever asked has had enough.
            }
        }
    }
}
