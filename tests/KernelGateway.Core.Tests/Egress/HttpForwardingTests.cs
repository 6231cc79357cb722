using System.Text;
using KernelGateway.Core.Policies;

namespace KernelGateway.Core.Tests.Egress;

/// <summary>Plain HTTP through the proxy: one request, one decision, and no two ways to read it.</summary>
[Parallelizable(ParallelScope.All)]
[CancelAfter(60_000)]
public sealed class HttpForwardingTests
{
    [Test]
    public async Task A_request_reaches_the_host_that_was_checked_without_what_was_for_the_proxy()
    {
        using var server = new Server();
        await using var proxy = new TestProxy(TestProxy.Allow($"a.test:{server.Port}"));
        using var client = await proxy.ConnectAsync();

        await client.SendAsync(
            $"POST http://A.test.:{server.Port}/p?q=1 HTTP/1.1\r\nHost: a.test:{server.Port}\r\nContent-Length: 4\r\nProxy-Connection: keep-alive\r\n"
            + "Proxy-Authorization: Basic eA==\r\nConnection: keep-alive, X-Hop, Content-Length\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\nUpgrade: h2c\r\nX-End: yes\r\n\r\nbody");
        using var accepted = await server.AcceptAsync();

        (await accepted.ReadHeadAsync()).Should().Be($"POST /p?q=1 HTTP/1.1\r\nHost: a.test:{server.Port}\r\nX-End: yes\r\nContent-Length: 4\r\nConnection: close\r\n\r\n");
        Encoding.ASCII.GetString(await accepted.ReadAsync(4)).Should().Be("body");
        await accepted.SendAsync("HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Srv\r\nX-Srv: 1\r\nContent-Length: 2\r\nX-Kept: yes\r\n\r\nok");
        accepted.Dispose();
        (await client.ReadToEndAsync()).Should().Be("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Kept: yes\r\nConnection: close\r\n\r\nok");
        proxy.Proxy.Counts.Reached.Should().Be(1);
    }

    [TestCase("GET http://a.test/ HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", "ambiguous", Description = "CL and TE")]
    [TestCase("GET http://a.test/ HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", "Content-Length", Description = "two lengths")]
    [TestCase("GET http://a.test/ HTTP/1.1\r\nContent-Length: 3, 3\r\n\r\n", "Content-Length")]
    [TestCase("GET http://a.test/ HTTP/1.1\r\nContent-Length: +3\r\n\r\n", "Content-Length")]
    [TestCase("GET http://a.test/ HTTP/1.1\r\nContent-Length: 0x3\r\n\r\n", "Content-Length")]
    [TestCase("GET http://a.test/ HTTP/1.1\r\nContent-Length:\r\n\r\n", "Content-Length")]
    [TestCase("GET http://a.test/ HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "ambiguous")]
    [TestCase("GET http://a.test/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n", "ambiguous")]
    [TestCase("GET http://a.test/ HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n", "ambiguous")]
    [TestCase("GET http://a.test/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "ambiguous", Description = "chunks in HTTP/1.0")]
    [TestCase("GET http://a.test/ HTTP/1.1\r\nTransfer-Encoding : chunked\r\n\r\n", "not 'name: value'", Description = "a space before the colon")]
    [TestCase("GET http://a.test/ HTTP/1.1\r\nX: 1\r\n Transfer-Encoding: chunked\r\n\r\n", "not 'name: value'", Description = "a folded line")]
    [TestCase("GET http://a.test/ HTTP/1.1\r\nX: 1\nTransfer-Encoding: chunked\r\n\r\n", "control characters", Description = "a bare LF")]
    [TestCase("GET http://a.test/ HTTP/1.1\r\nX: 1\rY: 2\r\n\r\n", "control characters", Description = "a bare CR")]
    [TestCase("GET http://a.test/ HTTP/1.1\r\nX: 1\0\r\n\r\n", "control characters", Description = "NUL")]
    [TestCase("GET http://a.test/ HTTP/1.1\r\nHost: evil.test\r\n\r\n", "another host", Description = "another Host")]
    [TestCase("GET http://a.test/ HTTP/1.1\r\nHost: a.test:8080\r\n\r\n", "another host", Description = "another port")]
    [TestCase("GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nHost: evil.test\r\n\r\n", "another host", Description = "two Hosts")]
    [TestCase("GET http://a.test/#x HTTP/1.1\r\n\r\n", "fragment")]
    [TestCase("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", "This is a proxy")]
    [TestCase("GET https://a.test/ HTTP/1.1\r\n\r\n", "CONNECT host:443")]
    [TestCase("GET file:///etc/passwd HTTP/1.1\r\n\r\n", "This is a proxy")]
    [TestCase("GET  http://a.test/ HTTP/1.1\r\n\r\n", "no HTTP/1 request")]
    [TestCase("GET http://a.test/ HTTP/2.0\r\n\r\n", "no HTTP/1 request")]
    [TestCase("G(T http://a.test/ HTTP/1.1\r\n\r\n", "no HTTP/1 request")]
    [TestCase("rubbish\r\n\r\n", "no HTTP/1 request")]
    public async Task N08_what_could_be_read_in_two_ways_is_refused_before_anybody_is_reached(string request, string why)
    {
        await using var proxy = new TestProxy(TestProxy.Allow("a.test"));

        var answer = await proxy.AskAsync(request);

        answer.Should().StartWith("HTTP/1.1 400 ").And.Contain(why);
        proxy.Lookups.Should().BeEmpty();
    }

    [TestCase("GET http://evil.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n", Description = "an allowed Host does not help")]
    [TestCase("GET http://user@a.test/ HTTP/1.1\r\n\r\n")]
    [TestCase("GET http://a.test:80@evil.test/ HTTP/1.1\r\n\r\n")]
    [TestCase("GET http://0x7f000001/ HTTP/1.1\r\n\r\n")]
    [TestCase("GET http:///x HTTP/1.1\r\n\r\n")]
    public async Task N08_only_the_address_of_the_request_decides(string request)
    {
        await using var proxy = new TestProxy(TestProxy.Allow("a.test"));

        (await proxy.AskAsync(request)).Should().MatchRegex("^HTTP/1.1 40[03] ");
        proxy.Lookups.Should().BeEmpty();
    }

    [Test]
    public async Task N08_a_second_request_on_the_connection_is_not_passed_on()
    {
        using var server = new Server();
        await using var proxy = new TestProxy(TestProxy.Allow($"a.test:{server.Port}"));
        using var client = await proxy.ConnectAsync();
        var one = $"GET http://a.test:{server.Port}/1 HTTP/1.1\r\nConnection: keep-alive\r\n\r\n";

        await client.SendAsync(one + one.Replace("/1", "/2", StringComparison.Ordinal));
        using var accepted = await server.AcceptAsync();
        (await accepted.ReadHeadAsync()).Should().StartWith("GET /1 ");
        await accepted.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        accepted.Socket.Shutdown(System.Net.Sockets.SocketShutdown.Send);

        (await client.ReadToEndAsync()).Should().Contain("Connection: close").And.EndWith("ok");
        (await accepted.ReadToEndAsync()).Should().BeEmpty("nothing after the first request may reach the server");
        server.HasVisitor.Should().BeFalse();
    }

    [Test]
    public async Task N07_a_redirect_is_the_clients_to_follow_and_a_new_decision()
    {
        using var server = new Server();
        await using var proxy = new TestProxy(TestProxy.Allow($"a.test:{server.Port}"));
        var asking = proxy.AskAsync($"GET http://a.test:{server.Port}/ HTTP/1.1\r\n\r\n");
        using (var accepted = await server.AcceptAsync())
        {
            await accepted.ReadHeadAsync();
            await accepted.SendAsync("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n");
        }

        (await asking).Should().StartWith("HTTP/1.1 302 ").And.Contain("Location: http://127.0.0.1/");
        (await proxy.AskAsync("GET http://127.0.0.1/ HTTP/1.1\r\n\r\n")).Should().StartWith("HTTP/1.1 403 ");
        server.HasVisitor.Should().BeFalse();
    }

    [Test]
    public async Task Chunks_are_written_anew_without_extensions_and_trailers()
    {
        using var server = new Server();
        await using var proxy = new TestProxy(TestProxy.Allow($"a.test:{server.Port}"));
        using var client = await proxy.ConnectAsync();

        await client.SendAsync($"POST http://a.test:{server.Port}/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n");
        using var accepted = await server.AcceptAsync();
        (await accepted.ReadHeadAsync()).Should().Contain("Transfer-Encoding: chunked").And.Contain("Expect: 100-continue");
        await accepted.SendAsync("HTTP/1.1 100 Continue\r\n\r\n");
        (await client.ReadHeadAsync()).Should().Be("HTTP/1.1 100 Continue\r\n\r\n");
        await client.SendAsync("00003;a=b\r\nabc\r\nA \r\n0123456789\r\n0\r\nX-Trailer: 1\r\n\r\n");

        Encoding.ASCII.GetString(await accepted.ReadAsync(28)).Should().Be("3\r\nabc\r\na\r\n0123456789\r\n0\r\n\r\n");
        await accepted.SendAsync("HTTP/1.1 200 OK\r\n\r\ndone");
        accepted.Dispose();
        (await client.ReadToEndAsync()).Should().EndWith("done");
    }

    [TestCase("-1\r\n")]
    [TestCase("\r\n")]
    [TestCase("zz\r\n")]
    [TestCase("ffffffffffffffff\r\n")]
    [TestCase("3\r\nabcdef\r\n")]
    [TestCase("3\nabc\r\n")]
    public async Task N08_a_chunk_that_is_not_what_it_says_ends_the_request(string chunk)
    {
        using var server = new Server();
        await using var proxy = new TestProxy(TestProxy.Allow($"a.test:{server.Port}"));
        using var client = await proxy.ConnectAsync();

        await client.SendAsync($"POST http://a.test:{server.Port}/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}0\r\n\r\n");
        using var accepted = await server.AcceptAsync();

        (await accepted.ReadToEndAsync()).Should().NotEndWith("0\r\n\r\n", "a request that was cut must not look complete");
    }

    [Test]
    public async Task A_head_that_comes_too_slowly_or_is_too_long_ends_the_connection()
    {
        await using var proxy = new TestProxy(TestProxy.Allow("a.test"), new NetworkOptions { HeaderTimeout = TimeSpan.FromMilliseconds(300), MaxHeaderBytes = 2048 });
        using var slow = await proxy.ConnectAsync();
        await slow.SendAsync("GET http://a.te");
        using var silent = await proxy.ConnectAsync();

        (await slow.ReadToEndAsync()).Should().BeEmpty();
        (await silent.ReadToEndAsync()).Should().BeEmpty();
        (await proxy.AskAsync("GET http://a.test/ HTTP/1.1\r\nX: " + new string('x', 4096))).Should().StartWith("HTTP/1.1 400 ").And.Contain("2048");
        (await proxy.AskAsync("GET http://a.test/ HTTP/1.1\r\n" + string.Concat(Enumerable.Repeat("X:\r\n", 300)) + "\r\n")).Should().StartWith("HTTP/1.1 400 ").And.Contain("200");
    }

    [Test]
    public async Task A_server_that_answers_before_it_has_the_whole_body_is_heard()
    {
        using var server = new Server();
        await using var proxy = new TestProxy(TestProxy.Allow($"a.test:{server.Port}"));
        using var client = await proxy.ConnectAsync();
        await client.SendAsync($"POST http://a.test:{server.Port}/ HTTP/1.1\r\nContent-Length: 100000000\r\n\r\nbegin");
        using var accepted = await server.AcceptAsync();
        await accepted.ReadHeadAsync();

        await accepted.SendAsync("HTTP/1.1 413 Too large\r\nContent-Length: 0\r\n\r\n");
        accepted.Socket.Shutdown(System.Net.Sockets.SocketShutdown.Send);

        (await client.ReadToEndAsync()).Should().StartWith("HTTP/1.1 413 ").And.Contain("Connection: close");
    }

    [Test]
    public async Task A_server_that_speaks_no_http_is_told_as_such()
    {
        using var server = new Server();
        await using var proxy = new TestProxy(TestProxy.Allow($"a.test:{server.Port}"));
        var asking = proxy.AskAsync($"GET http://a.test:{server.Port}/ HTTP/1.1\r\n\r\n");
        using (var accepted = await server.AcceptAsync())
        {
            await accepted.ReadHeadAsync();
            await accepted.SendAsync("SSH-2.0-x\r\n\r\n");
        }

        (await asking).Should().StartWith("HTTP/1.1 502 ").And.Contain("did not answer in HTTP/1");
    }

    [Test]
    public async Task A_client_that_leaves_in_the_middle_of_an_endless_answer_ends_it()
    {
        using var server = new Server();
        await using var proxy = new TestProxy(TestProxy.Allow($"a.test:{server.Port}"));
        using var client = await proxy.ConnectAsync();
        await client.SendAsync($"GET http://a.test:{server.Port}/ HTTP/1.1\r\n\r\n");
        using var accepted = await server.AcceptAsync();
        await accepted.ReadHeadAsync();
        await accepted.SendAsync("HTTP/1.1 200 OK\r\n\r\nbegin");
        await client.ReadHeadAsync();

        client.Dispose();

        (await accepted.ReadToEndAsync()).Should().BeEmpty("the proxy closes the server's connection");
    }
}
