using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Egress;
using KernelGateway.Server.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace KernelGateway.Server.Tests.Network;

/// <summary>The network policy from the request to code in a real container. Names that end in <c>.test</c> are on loopback, by leave of the operator.</summary>
[CancelAfter(120_000)]
public sealed class EgressTests
{
    /// <summary>What every piece of code here uses; a failure is its text, as a user would see it.</summary>
    private const string Prelude =
        """
        import os, socket, time, urllib.request, urllib.error, subprocess
        def fetch(url, data=None):
            try:
                return urllib.request.urlopen(url, data, timeout=20).read().decode()
            except urllib.error.HTTPError as e:
                return '%d %s' % (e.code, e.headers['X-Proxy-Error'])
            except OSError as e:
                return str(e)
        def tunnel(authority, port=3128):
            s = socket.create_connection(('127.0.0.1', port), 5)
            s.settimeout(20)
            s.sendall(('CONNECT %s HTTP/1.1\r\n\r\n' % authority).encode())
            head = b''
            while not head.endswith(b'\r\n\r\n'):
                piece = s.recv(1)
                if not piece: break
                head += piece
            return s, head.decode().split('\r\n')[0]
        def socks(host, to, port=1080):
            s = socket.create_connection(('127.0.0.1', port), 5)
            s.settimeout(20)
            s.sendall(b'\x05\x01\x00'); s.recv(2)
            s.sendall(b'\x05\x01\x00\x03' + bytes([len(host)]) + host.encode() + to.to_bytes(2, 'big'))
            return s, s.recv(10)[1]

        """;

    private LiveGateway _gateway = null!;
    private WebServer _web = null!;

    [OneTimeSetUp]
    public async Task Start()
    {
        Requires.LocalVariant();
        _web = await WebServer.StartAsync(AnswerAsTheInternet);
        _gateway = await LiveGateway.StartAsync(
            services => services.AddSingleton<NameResolver>((name, _) => Task.FromResult<IPAddress[]>(
                name == "inside.test" ? [IPAddress.Parse("127.0.0.1"), IPAddress.Parse("10.0.0.1")] : name.EndsWith(".test", StringComparison.Ordinal) ? [IPAddress.Parse("127.0.0.1")] : [])),
            ("Gateway:Sandboxes:DefaultVariant", "local"),
            ("Gateway:Network:AllowedPrivateAddresses:0", "127.0.0.1/32"),
            ("Gateway:Network:DeniedHosts:0", "operator-says-no.test"));
    }

    /// <summary>What stands for the internet.</summary>
    private static void AnswerAsTheInternet(WebApplication app)
    {
        app.MapGet("/", (HttpContext http) => $"hello from {http.Request.Host.Host}");
        app.MapGet("/away", () => Results.Redirect("http://evil.test/"));
        app.MapPost("/", async (HttpContext http) =>
        {
            using var body = new MemoryStream();
            await http.Request.Body.CopyToAsync(body);
            return $"got {body.Length}";
        });
    }

    [OneTimeTearDown]
    public async Task Stop()
    {
        if (_gateway is not null)
        {
            await _gateway.DisposeAsync();
            await _web.DisposeAsync();
        }
    }

    [Test]
    public async Task Code_reaches_what_is_allowed_by_urllib_curl_tunnel_and_socks_and_nothing_else()
    {
        var sandbox = await _gateway.CreateAsync(new { networkPolicy = "allowlist", allowedHosts = new[] { $"Web.test:{_web.Port}", "*.test:1" } });
        sandbox.NetworkPolicy.Should().Be(NetworkPolicy.Allowlist);
        sandbox.AllowedHosts.Should().Equal($"web.test:{_web.Port}", "*.test:1");

        (await OutputAsync(sandbox.Id, $"print(fetch('http://web.test:{_web.Port}/'))")).Should().Be("hello from web.test\n");
        (await OutputAsync(sandbox.Id, $"print(fetch('http://web.test:{_web.Port}/', b'x' * 3_000_000))")).Should().Be("got 3000000\n");
        (await OutputAsync(
            sandbox.Id,
            $$"""
            s, answer = tunnel('web.test:{{_web.Port}}')
            s.sendall(b'GET / HTTP/1.0\r\nHost: web.test\r\n\r\n')
            print(answer, s.recv(65536).decode().split('\r\n')[-1])
            s, code = socks('web.test', {{_web.Port}})
            s.sendall(b'GET / HTTP/1.0\r\nHost: web.test\r\n\r\n')
            print(code, s.recv(65536).decode().split('\r\n')[-1])
            if os.path.exists('/usr/bin/curl'):
                print(subprocess.run(['curl', '-sS', '--proxy', os.environ['ALL_PROXY'], 'http://web.test:{{_web.Port}}/'], capture_output=True, text=True).stdout)
            else:
                print('hello from web.test')
            """)).Should().Be("HTTP/1.1 200 Connection established hello from web.test\n0 hello from web.test\nhello from web.test\n");

        var denied = await OutputAsync(
            sandbox.Id,
            $$"""
            began = time.monotonic()
            print(fetch('http://evil.example/'))
            print(fetch('https://evil.example/'))
            print(tunnel('127.0.0.1:{{_gateway.Address.Port}}')[1])
            print(tunnel('[::ffff:127.0.0.1]:80')[1][:12], socks('evil.example', 443)[1])
            print(fetch('http://web.test:{{_web.Port}}/away'))
            for address in ('127.0.0.1', '10.0.0.1', '1.1.1.1'):
                try:
                    socket.create_connection((address, {{_web.Port}}), 3); print('connected')
                except OSError as e:
                    print('no way')
            try:
                socket.getaddrinfo('web.test', 80); print('resolved')
            except OSError:
                print('no names')
            print(time.monotonic() - began < 5)
            """);
        denied.Should().Be(
            "403 Connection blocked by network allowlist: evil.example:80 (not in allowedHosts). Add 'evil.example' to allowedHosts.\n"
            + "<urlopen error Tunnel connection failed: 403 Blocked by network policy (not in allowedHosts)>\n"
            + "HTTP/1.1 403 Blocked by network policy (not in allowedHosts)\n"
            + "HTTP/1.1 403 2\n"
            + "403 Connection blocked by network allowlist: evil.test:80 (port 80). Add 'evil.test:80' to allowedHosts; without a port only 80 and 443 are open.\n"
            + "no way\nno way\nno way\nno names\nTrue\n");

        var network = await NetworkAsync(sandbox.Id);
        network.Connections.Should().Be(6);
        network.Denied.Should().Be(6);
        network.BytesSent.Should().BeGreaterThan(3_000_000);
        network.BytesReceived.Should().BePositive();
    }

    [Test]
    public async Task A_refusal_takes_less_than_a_second_and_is_an_event_of_the_execution_with_host_rule_and_hint()
    {
        var sandbox = await _gateway.CreateAsync(new { networkPolicy = "all", deniedHosts = new[] { "*.evil.test" } });

        var run = await _gateway.RunAsync(sandbox.Id, Prelude + "a = time.monotonic(); fetch('http://a.evil.test/'); print(time.monotonic() - a < 1)");

        run.Result!.Stdout.Should().Be("True\n");
        run.Violations.Should().ContainSingle().Which.Should().BeEquivalentTo(new { Kind = "egress_denied", Message = "a.evil.test:80 was refused: '*.evil.test' in deniedHosts", Count = 1L });
        (await _gateway.Http.AllAsync(sandbox.Id)).OfType<EgressDeniedEvent>().Should().ContainSingle().Which.Should().BeEquivalentTo(new
        {
            ExecutionId = run.Id,
            ContextId = "default",
            Host = "a.evil.test",
            Port = 80,
            Rule = "'*.evil.test' in deniedHosts",
            Hint = "Remove '*.evil.test' from deniedHosts.",
            NotRecorded = 0L,
        });
        (await OutputAsync(sandbox.Id, "print(fetch('http://operator-says-no.test/'))")).Should().Contain("the gateway's deny list");
    }

    [Test]
    public async Task N10_an_allow_list_without_hosts_allows_nothing()
    {
        var sandbox = await _gateway.CreateAsync(new { networkPolicy = "allowlist", allowedHosts = (string[]?)null });

        (await OutputAsync(sandbox.Id, "print(fetch('http://web.test/'))")).Should().StartWith("403 ");
    }

    [Test]
    public async Task Without_a_network_there_is_no_proxy_and_failure_is_fast()
    {
        var sandbox = await _gateway.CreateAsync();
        sandbox.NetworkPolicy.Should().Be(NetworkPolicy.None);

        (await OutputAsync(
            sandbox.Id,
            """
            began = time.monotonic()
            print([name for name in os.environ if 'proxy' in name.lower()], os.listdir('/run/kg/net'))
            for port in (3128, 1080):
                try:
                    socket.create_connection(('127.0.0.1', port), 3); print('open')
                except ConnectionRefusedError:
                    print('refused')
            print(fetch('http://web.test/'))
            print(len([p for p in os.listdir('/proc') if p.isdigit() and any(w.endswith(b'/agent.py') for w in open('/proc/%s/cmdline' % p, 'rb').read().split(b'\0')[:6]) and b'tini' not in open('/proc/%s/cmdline' % p, 'rb').read()]))
            print(time.monotonic() - began < 1)
            """))
            .Should().Be("[] []\nrefused\nrefused\n<urlopen error [Errno -3] Temporary failure in name resolution>\n1\nTrue\n");
    }

    [Test]
    public async Task A_network_can_be_given_and_taken_away_while_it_runs()
    {
        var sandbox = await _gateway.CreateAsync();
        (await OutputAsync(sandbox.Id, "x = 41")).Should().BeEmpty();

        var set = await SetAsync(sandbox.Id, new { networkPolicy = "allowlist", allowedHosts = new[] { $"web.test:{_web.Port}" } });
        set.NetworkPolicy.Should().Be(NetworkPolicy.Allowlist);
        (await _gateway.Http.GetFromJsonAsync<SandboxInfo>($"/api/v1/sandboxes/{sandbox.Id}"))!.AllowedHosts.Should().Equal($"web.test:{_web.Port}");
        (await OutputAsync(
            sandbox.Id,
            $$"""
            print('HTTP_PROXY' in os.environ, x + 1)
            os.environ['http_proxy'] = 'http://127.0.0.1:3128'
            print(fetch('http://web.test:{{_web.Port}}/'))
            held, _ = tunnel('web.test:{{_web.Port}}')
            """)).Should().Be("False 42\nhello from web.test\n");

        await SetAsync(sandbox.Id, new { networkPolicy = "allowlist", allowedHosts = new[] { "other.test" } });
        (await OutputAsync(sandbox.Id, $"print(held.recv(1)); print(fetch('http://web.test:{_web.Port}/')[:3])")).Should().Be("b''\n403\n");

        using (var restarted = await _gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandbox.Id}/restart", new { }))
        {
            restarted.EnsureSuccessStatusCode();
        }

        (await OutputAsync(sandbox.Id, "print(os.environ['HTTP_PROXY'], os.environ['all_proxy'], os.environ['NO_PROXY'], os.environ['NODE_USE_ENV_PROXY'])"))
            .Should().Be("http://127.0.0.1:3128 socks5h://127.0.0.1:1080 localhost,127.0.0.1,::1 1\n");
        await SetAsync(sandbox.Id, new { networkPolicy = "none" });
        (await OutputAsync(sandbox.Id, "print(os.listdir('/run/kg/net'), fetch('http://web.test/'))")).Should().Be("[] <urlopen error [Errno 111] Connection refused>\n");
    }

    [Test]
    public async Task A_port_that_code_has_taken_refuses_the_change_and_changes_nothing()
    {
        var sandbox = await _gateway.CreateAsync();
        await OutputAsync(sandbox.Id, "taken = socket.create_server(('127.0.0.1', 1080))");

        using var answer = await _gateway.Http.PutAsJsonAsync($"/api/v1/sandboxes/{sandbox.Id}/network", new { networkPolicy = "all" });

        answer.StatusCode.Should().Be(HttpStatusCode.Conflict);
        (await answer.Content.ReadAsStringAsync()).Should().Contain("1080");
        (await NetworkAsync(sandbox.Id)).NetworkPolicy.Should().Be(NetworkPolicy.None);
        await OutputAsync(sandbox.Id, "taken.close()");
        (await SetAsync(sandbox.Id, new { networkPolicy = "all" })).NetworkPolicy.Should().Be(NetworkPolicy.All);
    }

    [Test]
    public async Task The_socket_decides_whoever_goes_to_it_and_cannot_be_replaced()
    {
        var sandbox = await _gateway.CreateAsync(new { networkPolicy = "all" });

        (await OutputAsync(
            sandbox.Id,
            """
            s = socket.socket(socket.AF_UNIX); s.connect('/run/kg/net/proxy')
            s.sendall(b'CONNECT 10.0.0.1:443 HTTP/1.1\r\n\r\n'); print(s.recv(100).decode()[:12])
            for attempt in (lambda: os.unlink('/run/kg/net/proxy'), lambda: os.rename('/run/kg/net/proxy', '/tmp/p'), lambda: open('/run/kg/net/x', 'w'), lambda: os.chmod('/run/kg/net/proxy', 0o777)):
                try:
                    attempt(); print('done')
                except OSError as e:
                    print(type(e).__name__, e.errno)
            """)).Should().Be("HTTP/1.1 403\nOSError 30\nOSError 18\nOSError 30\nOSError 30\n");
    }

    [Test]
    public async Task A_forwarder_that_code_kills_comes_back()
    {
        var sandbox = await _gateway.CreateAsync(new { networkPolicy = "allowlist", allowedHosts = new[] { $"web.test:{_web.Port}" } });

        (await OutputAsync(
            sandbox.Id,
            $$"""
            import signal
            def agents():
                found = []
                for p in filter(str.isdigit, os.listdir('/proc')):
                    try:
                        words = open('/proc/%s/cmdline' % p, 'rb').read().split(b'\0')
                    except OSError:
                        continue # It has just ended.
                    if b'tini' not in words[0] and any(w.endswith(b'/agent.py') for w in words):
                        found.append(int(p))
                return sorted(found)
            time.sleep(1.1) # It must have lived for a while.
            agent, forwarder = agents()
            os.kill(forwarder, signal.SIGKILL)
            while len(agents()) < 2 or forwarder in agents(): pass
            print(fetch('http://web.test:{{_web.Port}}/'))
            # One that never lives long is given up, and then nobody waits for it.
            refused = False
            while not refused:
                for pid in agents()[1:]:
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        pass
                try:
                    socket.create_connection(('127.0.0.1', 3128), 5).close()
                except ConnectionRefusedError:
                    refused = True
                except OSError:
                    pass
            print('refused')
            """)).Should().Be("hello from web.test\nrefused\n");
        await SetAsync(sandbox.Id, new { networkPolicy = "allowlist", allowedHosts = new[] { $"web.test:{_web.Port}" } });
        (await OutputAsync(sandbox.Id, $"print(fetch('http://web.test:{_web.Port}/'))")).Should().Be("hello from web.test\n");
    }

    [Test]
    public async Task A_loop_of_denials_does_not_fill_the_journal()
    {
        var sandbox = await _gateway.CreateAsync(new { networkPolicy = "allowlist" });

        await OutputAsync(sandbox.Id, "for i in range(200): tunnel('h%d.test:443' % i)[0].close()");

        (await _gateway.Http.AllAsync(sandbox.Id)).OfType<EgressDeniedEvent>().Should().HaveCount(60);
        var network = await NetworkAsync(sandbox.Id);
        (network.Denied, network.DeniedWithoutEvent).Should().Be((200, 140));
    }

    [Test]
    public async Task A_variant_without_walls_says_all_and_takes_no_other_promise()
    {
        var sandbox = await _gateway.CreateAsync(new { variant = "local-eval" });
        sandbox.NetworkPolicy.Should().Be(NetworkPolicy.All);

        using var answer = await _gateway.Http.PutAsJsonAsync($"/api/v1/sandboxes/{sandbox.Id}/network", new { networkPolicy = "none" });

        answer.StatusCode.Should().Be(HttpStatusCode.BadRequest);
        (await answer.Content.ReadAsStringAsync()).Should().Contain("not_supported").And.Contain("Variants that can: local, local-docker.");
        (await SetAsync(sandbox.Id, new { networkPolicy = "all" })).NetworkPolicy.Should().Be(NetworkPolicy.All);
    }

    [TestCase("""{}""", "networkPolicy")]
    [TestCase("""{"networkPolicy":null}""", "networkPolicy")]
    [TestCase("""{"networkPolicy":"open"}""", "networkPolicy")]
    [TestCase("""{"networkPolicy":"allowlist","allowedHosts":["a:0"]}""", "allowedHosts")]
    [TestCase("""{"networkPolicy":"none","allowedHosts":["a.org"]}""", "allowedHosts")]
    public async Task A_wrong_change_is_refused_by_name_and_changes_nothing(string body, string field)
    {
        var sandbox = await _gateway.CreateAsync();

        using var answer = await _gateway.Http.PutAsync($"/api/v1/sandboxes/{sandbox.Id}/network", new StringContent(body, System.Text.Encoding.UTF8, "application/json"));

        answer.StatusCode.Should().Be(HttpStatusCode.BadRequest);
        (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("field").GetString().Should().Be(field);
        (await NetworkAsync(sandbox.Id)).NetworkPolicy.Should().Be(NetworkPolicy.None);
    }

    [Test]
    public async Task An_ended_sandbox_shows_its_policy_and_takes_no_other()
    {
        var sandbox = await _gateway.CreateAsync(new { networkPolicy = "all" });
        using (await _gateway.Http.DeleteAsync($"/api/v1/sandboxes/{sandbox.Id}?graceSeconds=0"))
        {
        }

        using var answer = await _gateway.Http.PutAsJsonAsync($"/api/v1/sandboxes/{sandbox.Id}/network", new { networkPolicy = "none" });

        answer.StatusCode.Should().Be(HttpStatusCode.Conflict);
        (await NetworkAsync(sandbox.Id)).Should().BeEquivalentTo(new { NetworkPolicy = NetworkPolicy.All, OpenConnections = 0 });
    }

    private async Task<string> OutputAsync(string id, string code)
    {
        var run = await _gateway.RunAsync(id, Prelude + code);
        run.Result!.Error.Should().BeNull();
        return run.Result.Stdout;
    }

    private async Task<NetworkInfo> NetworkAsync(string id) => (await _gateway.Http.GetFromJsonAsync<NetworkInfo>($"/api/v1/sandboxes/{id}/network"))!;

    private async Task<NetworkInfo> SetAsync(string id, object request)
    {
        using var answer = await _gateway.Http.PutAsJsonAsync($"/api/v1/sandboxes/{id}/network", request);
        answer.IsSuccessStatusCode.Should().BeTrue(await answer.Content.ReadAsStringAsync());
        return (await answer.Content.ReadFromJsonAsync<NetworkInfo>())!;
    }
}
