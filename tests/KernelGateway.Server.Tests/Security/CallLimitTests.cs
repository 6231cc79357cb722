using System.Net;
using System.Net.Sockets;
using System.Text;
using KernelGateway.Server.Tests.Support;

namespace KernelGateway.Server.Tests.Security;

/// <summary>Every limit on callers, hit.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class CallLimitTests
{
    [Test]
    public async Task H10_One_key_has_only_so_many_streams_open_and_gets_the_place_of_each_that_ends()
    {
        await using var gateway = await LiveGateway.StartAsync(("Gateway:Limits:MaxOpenRequestsPerKey", "4"));
        var sandbox = await gateway.CreateAsync();
        var streams = new List<HttpResponseMessage>();
        for (var i = 0; i < 4; i++)
        {
            streams.Add(await OpenStreamAsync(gateway, sandbox.Id));
        }

        using (var refused = await gateway.Http.GetAsync("/api/v1/sandboxes"))
        {
            refused.StatusCode.Should().Be(HttpStatusCode.TooManyRequests);
            refused.Headers.RetryAfter.Should().NotBeNull();
            (await refused.Content.ReadAsStringAsync()).Should().Contain("limit_reached");
        }

        using (var other = await gateway.ClientWith(null).GetAsync("/health"))
        {
            other.StatusCode.Should().Be(HttpStatusCode.OK, "nobody else is held up");
        }

        streams.ForEach(s => s.Dispose());
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        HttpStatusCode[] statuses;
        do
        {
            statuses = await Task.WhenAll(Enumerable.Range(0, 3).Select(async _ =>
            {
                using var answer = await gateway.Http.GetAsync("/api/v1/sandboxes", deadline.Token);
                return answer.StatusCode;
            }));
        }
        while (statuses.Contains(HttpStatusCode.TooManyRequests));
        statuses.Should().AllBeEquivalentTo(HttpStatusCode.OK);
    }

    [Test]
    public async Task H10_A_key_that_calls_too_often_is_answered_429_over_rest_and_over_the_hub()
    {
        await using var gateway = await LiveGateway.StartAsync(("Gateway:Limits:RequestsPerSecondPerKey", "5"));
        await using var hub = await RawHub.ConnectAsync(gateway.Address, gateway.Key);
        var errors = new List<string>();
        while (errors.Count < 500 && !errors.Exists(e => e.Contains("limit_reached", StringComparison.Ordinal)))
        {
            // As many as it takes: on a busy machine even calls without a pause may be slow enough for a while.
            errors.Add((await hub.InvokeAsync("Interrupt", "none", "none")).GetProperty("error").GetString()!);
        }

        errors[0].Should().Contain("sandbox_not_found");
        errors.Should().Contain(e => e.Contains("limit_reached"), "the calls were answered: {0}", errors);
        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(async _ =>
        {
            using var answer = await gateway.Http.GetAsync("/api/v1/environments");
            return answer.StatusCode;
        }));
        answers.Should().Contain(HttpStatusCode.TooManyRequests);

        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while ((await gateway.Http.GetAsync("/api/v1/environments", deadline.Token)).StatusCode != HttpStatusCode.OK)
        {
            // The reserve fills again as time goes by.
        }
    }

    [Test]
    public async Task H10_A_hub_message_over_4_MiB_ends_its_connection_and_nobody_elses()
    {
        var gateway = SharedGateway.Instance;
        await using var other = await RawHub.ConnectAsync(gateway.Address, gateway.Key);
        await using var hub = await RawHub.ConnectAsync(gateway.Address, gateway.Key);

        await hub.SendAsync("Interrupt", new string('x', 5 << 20), "none");

        await hub.EndedAsync().WaitAsync(TimeSpan.FromSeconds(20));
        (await other.InvokeAsync("Interrupt", "none", "none")).GetProperty("error").GetString().Should().Contain("sandbox_not_found");
    }

    [Test]
    public async Task H16_An_address_that_tries_out_keys_is_answered_429_and_known_keys_from_there_still_work()
    {
        await using var gateway = await LiveGateway.StartAsync(("Gateway:Limits:UnknownKeysPerMinute", "5"));
        using var guesser = gateway.ClientWith("kg_guess");
        var answers = new List<HttpStatusCode>();
        for (var i = 0; i < 8; i++)
        {
            using var answer = await guesser.GetAsync("/api/v1/sandboxes");
            answers.Add(answer.StatusCode);
        }

        answers.Take(5).Should().AllBeEquivalentTo(HttpStatusCode.Unauthorized);
        answers.Skip(5).Should().AllBeEquivalentTo(HttpStatusCode.TooManyRequests);
        (await gateway.Http.GetAsync("/api/v1/sandboxes")).StatusCode.Should().Be(HttpStatusCode.OK);
    }

    [Test]
    public async Task H07_A_body_over_the_limit_is_refused_with_and_without_a_length()
    {
        await using var gateway = await LiveGateway.StartAsync(("Gateway:Limits:MaxBodyBytes", "4096"));
        foreach (var chunked in new[] { false, true })
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/sandboxes") { Content = new StringContent($"{{\"name\":\"{new string('x', 5000)}\"}}", Encoding.UTF8, "application/json") };
            request.Headers.TransferEncodingChunked = chunked;
            using var answer = await gateway.Http.SendAsync(request);
            answer.StatusCode.Should().Be(HttpStatusCode.RequestEntityTooLarge, "chunked: {0}", chunked);
        }
    }

    [TestCase("GET /health HTTP/1.1\r\nHost: x\r\nA: {64k}\r\n\r\n", "431")]
    [TestCase("GET /health HTTP/1.1\r\nHost: x\r\n{200 headers}\r\n", "431")]
    [TestCase("POST /api/v1/sandboxes HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "401|400")]
    [TestCase("GET /health HTTP/1.1\r\n\r\n", "400")]
    [TestCase("GET /health\u0001 HTTP/1.1\r\nHost: x\r\n\r\n", "400|404")]
    public async Task H07_A_request_that_is_out_of_order_is_refused(string request, string statuses)
    {
        var text = request.Replace("{64k}", new string('x', 64 << 10)).Replace("{200 headers}", string.Concat(Enumerable.Range(0, 200).Select(i => $"H{i}: x\r\n")));
        using var socket = await ConnectAsync(SharedGateway.Instance);
        await socket.SendAsync(Encoding.Latin1.GetBytes(text));

        var answer = await ReadToEndOrAnswerAsync(socket);

        answer.Should().MatchRegex($"^HTTP/1.1 ({statuses}) ");
    }

    [Test]
    public async Task H08_A_connection_that_never_finishes_its_headers_is_closed()
    {
        await using var gateway = await LiveGateway.StartAsync(("Gateway:Limits:HeaderSeconds", "1"));
        using var socket = await ConnectAsync(gateway);
        await socket.SendAsync("GET /health HTTP/1.1\r\nHost: x\r\nX: "u8.ToArray());

        var answer = await ReadToEndOrAnswerAsync(socket).WaitAsync(TimeSpan.FromSeconds(20));

        answer.Should().MatchRegex("^(HTTP/1.1 408 |$)");
    }

    private static async Task<HttpResponseMessage> OpenStreamAsync(LiveGateway gateway, string sandboxId)
    {
        var answer = await gateway.Http.GetAsync($"/api/v1/sandboxes/{sandboxId}/events", HttpCompletionOption.ResponseHeadersRead);
        answer.EnsureSuccessStatusCode();
        return answer;
    }

    private static async Task<Socket> ConnectAsync(LiveGateway gateway)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, gateway.Address.Port);
        return socket;
    }

    private static async Task<string> ReadToEndOrAnswerAsync(Socket socket)
    {
        var text = new StringBuilder();
        var buffer = new byte[4096];
        try
        {
            while (!text.ToString().Contains("\r\n\r\n", StringComparison.Ordinal) && await socket.ReceiveAsync(buffer) is > 0 and var read)
            {
                text.Append(Encoding.Latin1.GetString(buffer, 0, read));
            }
        }
        catch (SocketException)
        {
            // Reset: the gateway had answered before all was read.
        }

        return text.ToString();
    }
}
