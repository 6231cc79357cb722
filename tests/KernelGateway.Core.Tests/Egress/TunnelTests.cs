using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Policies;

namespace KernelGateway.Core.Tests.Egress;

/// <summary>Tunnels by CONNECT and SOCKS: what passes, what is refused and how, and what is bounded.</summary>
[Parallelizable(ParallelScope.All)]
[CancelAfter(60_000)]
public sealed class TunnelTests
{
    [Test]
    public async Task A_tunnel_carries_both_ways_with_half_closes_and_is_counted()
    {
        using var server = new Server();
        await using var proxy = new TestProxy(TestProxy.Allow($"a.test:{server.Port}"));
        using var client = await proxy.TunnelAsync($"A.test.:{server.Port}");
        using var accepted = await server.AcceptAsync();

        await client.SendAsync("hello");
        Encoding.ASCII.GetString(await accepted.ReadAsync(5)).Should().Be("hello");
        client.Socket.Shutdown(SocketShutdown.Send);
        (await accepted.ReadToEndAsync()).Should().BeEmpty();
        await accepted.SendAsync("goodbye");
        accepted.Dispose();

        (await client.ReadToEndAsync()).Should().Be("goodbye");
        var counts = proxy.Proxy.Counts;
        (counts.Reached, counts.Sent, counts.Received, counts.Denied).Should().Be((1, 5, 7, 0));
        proxy.Lookups.Should().Equal("a.test");
    }

    [Test]
    public async Task A_refusal_is_fast_and_says_host_rule_and_way_out_everywhere_a_library_looks()
    {
        await using var proxy = new TestProxy(TestProxy.Allow("a.test"));
        var clock = Stopwatch.StartNew();

        var answer = await proxy.AskAsync("CONNECT evil.test:443 HTTP/1.1\r\n\r\n");

        clock.Elapsed.Should().BeLessThan(TimeSpan.FromSeconds(1));
        answer.Should().StartWith("HTTP/1.1 403 Blocked by network policy (not in allowedHosts)\r\n");
        answer.Should().Contain("X-Proxy-Error: Connection blocked by network allowlist: evil.test:443 (not in allowedHosts). Add 'evil.test' to allowedHosts.");
        answer.Should().EndWith("Add 'evil.test' to allowedHosts.\n");
        proxy.Denials.Should().ContainSingle().Which.Should().BeEquivalentTo(new { Host = "evil.test", Port = 443, Rule = "not in allowedHosts", NotRecorded = 0L });
        proxy.Lookups.Should().BeEmpty("a host that is not allowed is not even looked up");
    }

    [TestCase("2130706433:80")]
    [TestCase("[::ffff:127.0.0.1]:80")]
    [TestCase("127.1:80")]
    [TestCase("a.test:0")]
    [TestCase("a.test:65536")]
    [TestCase("a.test:22")]
    [TestCase("user@a.test:443")]
    [TestCase("evil.test%00.a.test:443")]
    [TestCase("eviltest:443")]
    public async Task N01_N02_N04_what_only_looks_allowed_is_refused_with_403(string authority)
    {
        await using var proxy = new TestProxy(TestProxy.Allow("a.test", "*.a.test"));

        (await proxy.AskAsync($"CONNECT {authority} HTTP/1.1\r\n\r\n")).Should().StartWith("HTTP/1.1 403 ");
        proxy.Denials.Should().ContainSingle();
    }

    [TestCase("127.0.0.1")]
    [TestCase("169.254.169.254")]
    [TestCase("10.0.0.1")]
    [TestCase("::1")]
    [TestCase("::ffff:10.0.0.1")]
    public async Task N05_an_allowed_name_that_leads_inside_is_refused(string address)
    {
        await using var proxy = new TestProxy(
            TestProxy.Allow("a.test"), new NetworkOptions { AllowedPrivateAddresses = ["127.9.9.9/32"] }, (_, _) => Task.FromResult(new[] { IPAddress.Parse(address) }));

        (await proxy.AskAsync("CONNECT a.test:443 HTTP/1.1\r\n\r\n")).Should().StartWith("HTTP/1.1 403 ").And.Contain("only the operator can allow it");
    }

    [Test]
    public async Task N05_a_name_that_is_bound_anew_is_resolved_once_and_exactly_that_address_is_dialled()
    {
        using var good = new Server("127.0.0.1");
        using var secret = new TcpListener(IPAddress.Parse("127.0.0.2"), good.Port);
        secret.Start();
        var answers = 0;
        await using var proxy = new TestProxy(
            TestProxy.Allow($"a.test:{good.Port}"),
            resolver: (_, _) => Task.FromResult(new[] { IPAddress.Parse(Interlocked.Increment(ref answers) == 1 ? "127.0.0.1" : "127.0.0.2") }));

        using var first = await proxy.TunnelAsync($"a.test:{good.Port}");
        using var reached = await good.AcceptAsync();
        answers.Should().Be(1, "the address that was judged is the one that is dialled");
        (await proxy.AskAsync($"CONNECT a.test:{good.Port} HTTP/1.1\r\n\r\n")).Should().StartWith("HTTP/1.1 403 ");

        answers.Should().Be(2);
        secret.Pending().Should().BeFalse("nobody may have knocked there");
        secret.Stop();
    }

    [Test]
    public async Task Of_several_addresses_only_those_are_dialled_that_may_be()
    {
        using var server = new Server();
        await using var proxy = new TestProxy(
            TestProxy.Allow($"a.test:{server.Port}"), resolver: (_, _) => Task.FromResult(new[] { IPAddress.Parse("10.0.0.1"), IPAddress.Parse("::ffff:127.0.0.1") }));

        using var client = await proxy.TunnelAsync($"a.test:{server.Port}");
        using var reached = await server.AcceptAsync();

        reached.Socket.Connected.Should().BeTrue();
    }

    [Test]
    public async Task A_name_without_an_address_a_dead_port_and_a_slow_resolver_each_end_with_their_reason()
    {
        using var dead = new Server();
        var port = dead.Port;
        dead.Dispose();
        await using var proxy = new TestProxy(
            new NetworkSettings(NetworkPolicy.All, [$"a.test:{port}"], []),
            new NetworkOptions { ConnectTimeout = TimeSpan.FromMilliseconds(300) },
            async (name, ct) =>
            {
                if (name == "slow.test")
                {
                    await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, ct);
                }

                return name == "a.test" ? [IPAddress.Loopback] : throw new SocketException((int)SocketError.HostNotFound);
            });

        (await proxy.AskAsync("CONNECT nowhere.test:443 HTTP/1.1\r\n\r\n")).Should().StartWith("HTTP/1.1 502 ").And.Contain("no address");
        (await proxy.AskAsync($"CONNECT a.test:{port} HTTP/1.1\r\n\r\n")).Should().StartWith("HTTP/1.1 502 ").And.Contain("cannot be reached");
        (await proxy.AskAsync("CONNECT slow.test:443 HTTP/1.1\r\n\r\n")).Should().StartWith("HTTP/1.1 504 ").And.Contain("0.3 seconds");
        proxy.Denials.Should().BeEmpty("none of them is a matter of policy");
    }

    [Test]
    public async Task Socks_reaches_an_allowed_name_and_refuses_others_by_code()
    {
        using var server = new Server();
        await using var proxy = new TestProxy(TestProxy.Allow($"a.test:{server.Port}", $"127.0.0.1:{server.Port}"));

        using var client = await proxy.ConnectAsync();
        (await SocksAsync(client, "a.test", server.Port)).Should().Be(0);
        using var accepted = await server.AcceptAsync();
        await accepted.SendAsync("hi");
        Encoding.ASCII.GetString(await client.ReadAsync(2)).Should().Be("hi");

        using var denied = await proxy.ConnectAsync();
        (await SocksAsync(denied, "evil.test", 443)).Should().Be(2);
        using var nul = await proxy.ConnectAsync();
        (await SocksAsync(nul, "evil.test\0.a.test", server.Port)).Should().Be(2);
        using var literal = await proxy.ConnectAsync();
        await literal.SendAsync([5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, (byte)(server.Port >> 8), (byte)server.Port]);
        (await literal.ReadAsync(4))[3].Should().Be(0);
        using var other = await proxy.ConnectAsync();
        await other.SendAsync([5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 2, (byte)(server.Port >> 8), (byte)server.Port]);
        (await other.ReadAsync(4))[3].Should().Be(2);
        proxy.Denials.Select(d => d.Host).Should().Equal("evil.test", "evil.test?.a.test", "127.0.0.2");
    }

    [TestCase(new byte[] { 5, 1, 2 }, new byte[] { 5, 0xFF }, Description = "no way without a password")]
    [TestCase(new byte[] { 5, 0 }, new byte[] { 5, 0xFF }, Description = "no way at all")]
    [TestCase(new byte[] { 5, 1, 0, 5, 2, 0, 1, 1, 2, 3, 4, 0, 80 }, new byte[] { 5, 0, 5, 7, 0, 1, 0, 0, 0, 0, 0, 0 }, Description = "BIND")]
    [TestCase(new byte[] { 5, 1, 0, 5, 3, 0, 1, 1, 2, 3, 4, 0, 80 }, new byte[] { 5, 0, 5, 7, 0, 1, 0, 0, 0, 0, 0, 0 }, Description = "UDP")]
    [TestCase(new byte[] { 5, 1, 0, 5, 1, 0, 9 }, new byte[] { 5, 0, 5, 8, 0, 1, 0, 0, 0, 0, 0, 0 }, Description = "an address of no kind")]
    [TestCase(new byte[] { 5, 1, 0, 4, 1, 0, 1 }, new byte[] { 5, 0, 5, 8, 0, 1, 0, 0, 0, 0, 0, 0 }, Description = "another version")]
    public async Task Socks_that_is_not_understood_is_answered_and_closed(byte[] request, byte[] answer)
    {
        await using var proxy = new TestProxy(new NetworkSettings(NetworkPolicy.All, [], []));
        using var client = await proxy.ConnectAsync();

        await client.SendAsync(request);

        Encoding.Latin1.GetBytes(await client.ReadToEndAsync()).Should().Equal(answer);
    }

    [Test]
    public async Task One_connection_too_many_is_told_so_at_once_and_room_is_made_when_one_ends()
    {
        await using var proxy = new TestProxy(TestProxy.Allow(), new NetworkOptions { MaxConnections = 2 });
        using var one = await proxy.ConnectAsync();
        using var two = await proxy.ConnectAsync();

        (await proxy.AskAsync("")).Should().StartWith("HTTP/1.1 503 ").And.Contain("2 connections");
        one.Dispose();
        var answer = "";
        for (var tries = 0; tries < 1000 && !answer.StartsWith("HTTP/1.1 403", StringComparison.Ordinal); tries++)
        {
            answer = await proxy.AskAsync("CONNECT a.test:443 HTTP/1.1\r\n\r\n");
        }

        answer.Should().StartWith("HTTP/1.1 403 ");
    }

    [Test]
    public async Task Many_connections_at_once_are_all_answered()
    {
        await using var proxy = new TestProxy(TestProxy.Allow(), new NetworkOptions { MaxConnections = 500, MaxDenialEventsPerMinute = 3 });

        var answers = await Task.WhenAll(Enumerable.Range(0, 300).Select(i => proxy.AskAsync($"CONNECT h{i}.test:443 HTTP/1.1\r\n\r\n")));

        answers.Should().OnlyContain(a => a.StartsWith("HTTP/1.1 403 "));
        proxy.Denials.Should().HaveCount(3, "a loop must not fill the journal");
        (proxy.Proxy.Counts.Denied, proxy.Proxy.Counts.WithoutEvent).Should().Be((300, 297));
    }

    [Test]
    public async Task New_rules_cut_the_tunnels_that_they_deny_and_no_others()
    {
        using var server = new Server();
        await using var proxy = new TestProxy(TestProxy.Allow($"a.test:{server.Port}", $"b.test:{server.Port}"));
        using var a = await proxy.TunnelAsync($"a.test:{server.Port}");
        using var aServer = await server.AcceptAsync();
        using var b = await proxy.TunnelAsync($"b.test:{server.Port}");
        using var bServer = await server.AcceptAsync();

        proxy.Proxy.Update(TestProxy.Allow($"b.test:{server.Port}"));

        (await a.ReadToEndAsync()).Should().BeEmpty();
        (await aServer.ReadToEndAsync()).Should().BeEmpty();
        await bServer.SendAsync("still here");
        Encoding.ASCII.GetString(await b.ReadAsync(10)).Should().Be("still here");
        (await proxy.AskAsync($"CONNECT a.test:{server.Port} HTTP/1.1\r\n\r\n")).Should().StartWith("HTTP/1.1 403 ");
        proxy.Denials[0].Hint.Should().StartWith("The connection was open when the policy changed, and was cut.");
    }

    [Test]
    public async Task Rules_that_change_while_it_connects_hold_for_it()
    {
        using var server = new Server();
        var asked = new TaskCompletionSource();
        var answer = new TaskCompletionSource<IPAddress[]>();
        await using var proxy = new TestProxy(TestProxy.Allow($"a.test:{server.Port}"), resolver: (_, _) =>
        {
            asked.SetResult();
            return answer.Task;
        });
        var asking = proxy.AskAsync($"CONNECT a.test:{server.Port} HTTP/1.1\r\n\r\n");
        await asked.Task;

        proxy.Proxy.Update(TestProxy.Allow());
        answer.SetResult([IPAddress.Loopback]);

        (await asking).Should().StartWith("HTTP/1.1 403 ");
    }

    [Test]
    public async Task A_client_that_does_not_read_holds_the_server_back_and_no_memory()
    {
        using var server = new Server();
        await using var proxy = new TestProxy(TestProxy.Allow($"a.test:{server.Port}"));
        using var client = await proxy.TunnelAsync($"a.test:{server.Port}");
        using var accepted = await server.AcceptAsync();
        var before = GC.GetTotalMemory(forceFullCollection: true);
        accepted.Socket.Blocking = false;
        var block = new byte[64 << 10];
        var sent = 0L;
        // Endless, until nothing has gone for half a second.
        while (sent < 1L << 30 && accepted.Socket.Poll(TimeSpan.FromMilliseconds(500), SelectMode.SelectWrite))
        {
            sent += accepted.Socket.Send(block, 0, block.Length, SocketFlags.None, out _);
        }

        sent.Should().BeLessThan(64 << 20, "the sockets' buffers are all that may fill");
        (GC.GetTotalMemory(forceFullCollection: true) - before).Should().BeLessThan(8 << 20);
        proxy.Proxy.Counts.Received.Should().BeLessThanOrEqualTo(sent);
    }

    [Test]
    public async Task A_tunnel_without_traffic_ends_by_its_idle_time()
    {
        using var server = new Server();
        await using var proxy = new TestProxy(TestProxy.Allow($"a.test:{server.Port}"), new NetworkOptions { IdleTimeout = TimeSpan.FromMilliseconds(200) });
        using var client = await proxy.TunnelAsync($"a.test:{server.Port}");
        using var accepted = await server.AcceptAsync();

        (await client.ReadToEndAsync()).Should().BeEmpty();
        (await accepted.ReadToEndAsync()).Should().BeEmpty();
    }

    [Test]
    public async Task Closed_and_opened_again_it_serves_at_the_same_path()
    {
        using var server = new Server();
        await using var proxy = new TestProxy(TestProxy.Allow($"a.test:{server.Port}"));
        using var old = await proxy.TunnelAsync($"a.test:{server.Port}");

        await proxy.Proxy.CloseAsync();
        (await old.ReadToEndAsync()).Should().BeEmpty();
        var away = async () => await proxy.ConnectAsync();
        await away.Should().ThrowAsync<SocketException>("nobody may wait for a gateway that is away");
        proxy.Listen();

        using var again = await proxy.TunnelAsync($"a.test:{server.Port}");
    }

    private static async Task<byte> SocksAsync(Peer client, string host, int port)
    {
        await client.SendAsync([5, 1, 0]);
        (await client.ReadAsync(2)).Should().Equal(5, 0);
        await client.SendAsync([5, 1, 0, 3, (byte)host.Length, .. Encoding.Latin1.GetBytes(host), (byte)(port >> 8), (byte)port]);
        return (await client.ReadAsync(10))[1];
    }
}
