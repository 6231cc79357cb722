using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace KernelGateway.Core.Egress;

/// <summary>An HTTP proxy's work for one connection: a tunnel (CONNECT), or one plain request and its answer. A second request needs a new connection and so a new decision.</summary>
internal static class HttpExchange
{
    private const int MaxChunkLine = 256;

    private static readonly byte[] HeadEnd = "\r\n\r\n"u8.ToArray();
    private static readonly byte[] LineEnd = "\r\n"u8.ToArray();

    internal static async Task RunAsync(EgressConnection connection)
    {
        byte[] refusal;
        try
        {
            var request = ProxyRequest.Parse(HttpHead.Parse(await connection.Input.UntilAsync(HeadEnd, connection.Options.MaxHeaderBytes, connection.Life)));
            var destination = connection.Where(request.Authority, request.IsTunnel ? 0 : 80);
            var head = request.IsTunnel ? [] : request.ToServer(destination);
            using var server = await connection.ReachAsync(destination);
            if (request.IsTunnel)
            {
                await connection.Client.WriteAsync(HttpAnswers.Established, connection.Life);
                await Relay.TunnelAsync(connection, server);
            }
            else
            {
                await ForwardAsync(connection, request, head, server);
            }

            return;
        }
        catch (EgressRefusedException refused)
        {
            refusal = HttpAnswers.Refusal(refused);
        }

        await connection.AnswerAsync(refusal);
    }

    private static async Task ForwardAsync(EgressConnection connection, ProxyRequest request, byte[] head, Socket server)
    {
        await using var stream = new NetworkStream(server, ownsSocket: false);
        await stream.WriteAsync(head, connection.Life);
        connection.Sent(head.Length);

        // Both at once: a server may answer before it has the whole body, and a client may wait for "100 Continue" with its body.
        var up = SendAsync(connection, request, stream);
        var down = ReceiveAsync(connection, stream);
        var gone = Task.CompletedTask;
        if (await Task.WhenAny(up, down) == up && (up.IsCompletedSuccessfully || up.Exception?.InnerException is ServerReadsNoMoreException))
        {
            gone = ClientGoneAsync(connection);
            await Task.WhenAny(down, gone);
        }

        var answered = down.IsCompleted;
        connection.Cut();
        await Task.WhenAll(Settled(up), Settled(down), Settled(gone));
        await (answered ? down : up);
    }

    private static async Task SendAsync(EgressConnection connection, ProxyRequest request, NetworkStream server)
    {
        if (!request.Chunked)
        {
            await CopyAsync(connection, server, request.Length);
            return;
        }

        while (true)
        {
            var line = Encoding.Latin1.GetString(await connection.Input.UntilAsync(LineEnd, MaxChunkLine, connection.Life))[..^2];
            var digits = line.Split(';')[0].TrimEnd(' ', '\t');
            if (digits.Length is 0 or > 15 || !digits.All(char.IsAsciiHexDigit))
            {
                throw new IOException("A chunk has no size.");
            }

            var size = long.Parse(digits, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            // Sizes are written anew, so that the server cannot read them in another way; extensions and trailers go.
            await WriteAsync(connection, server, Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{size:x}\r\n")));
            await CopyAsync(connection, server, size);
            if (size == 0)
            {
                while ((await connection.Input.UntilAsync(LineEnd, connection.Options.MaxHeaderBytes, connection.Life)).Length > LineEnd.Length)
                {
                }
            }
            else if (!(await connection.Input.ExactlyAsync(2, connection.Life)).AsSpan().SequenceEqual(LineEnd))
            {
                throw new IOException("A chunk is longer than its size.");
            }

            await WriteAsync(connection, server, LineEnd);
            if (size == 0)
            {
                return;
            }
        }
    }

    private static async Task CopyAsync(EgressConnection connection, NetworkStream server, long length)
    {
        var buffer = new byte[Math.Min(length, Relay.BufferSize)];
        while (length > 0)
        {
            var got = await connection.Input.ReadAsync(buffer.AsMemory(0, (int)Math.Min(length, buffer.Length)), connection.Life);
            if (got == 0)
            {
                throw new EndOfStreamException();
            }

            await WriteAsync(connection, server, buffer.AsMemory(0, got));
            connection.Sent(got);
            length -= got;
        }
    }

    private static async Task WriteAsync(EgressConnection connection, NetworkStream server, ReadOnlyMemory<byte> bytes)
    {
        try
        {
            await server.WriteAsync(bytes, connection.Life);
        }
        catch (IOException error)
        {
            throw new ServerReadsNoMoreException(error);
        }
    }

    /// <summary>Carries the answer to the client, told that there will be no second one on this connection.</summary>
    private static async Task ReceiveAsync(EgressConnection connection, NetworkStream server)
    {
        var input = new BufferedInput(server, connection.Options.MaxHeaderBytes);
        HttpHead head;
        do
        {
            try
            {
                head = HttpHead.Parse(await input.UntilAsync(HeadEnd, connection.Options.MaxHeaderBytes, connection.Life));
            }
            catch (Exception error) when (error is EndOfStreamException or EgressRefusedException)
            {
                throw new EgressRefusedException(RefusalKind.Unreachable, $"The server did not answer in HTTP/1: {error.Message}");
            }

            if (!head.First.StartsWith("HTTP/1.", StringComparison.Ordinal))
            {
                throw new EgressRefusedException(RefusalKind.Unreachable, "The server did not answer in HTTP/1.");
            }

            var bytes = HttpHead.Write(head.First, IsInterim(head) ? head.EndToEnd() : head.EndToEnd().Append(("Connection", "close")));
            await connection.Client.WriteAsync(bytes, connection.Life);
            connection.Received(bytes.Length);
        }
        while (IsInterim(head));

        await Relay.PumpAsync(input.ReadAsync, connection.Client, connection.Received, () => { }, connection);
    }

    private static bool IsInterim(HttpHead head) => head.First.Split(' ') is [_, ['1', _, _] status, ..] && status != "101";

    private static async Task ClientGoneAsync(EgressConnection connection)
    {
        var more = new byte[1];
        if (await connection.Input.ReadAsync(more, connection.Life) > 0)
        {
            // A second request, which is not served here. That the answer ends tells the client.
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, connection.Life);
        }
    }

    /// <summary>The server has answered before it had all, or has gone; which, its answer tells.</summary>
    private sealed class ServerReadsNoMoreException(IOException cause) : IOException(cause.Message, cause);

    private static Task Settled(Task task) => task.ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
}
