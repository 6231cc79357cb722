using System.Globalization;
using System.Net;
using System.Net.Sockets;
using KernelGateway.Client;
using KernelGateway.Contracts.Sandboxes;

namespace KernelGateway.EndToEnd.Tests;

/// <summary>The network policy over a crash of the gateway: nobody gets out meanwhile, nobody waits, and afterwards it holds as before.</summary>
[CancelAfter(120_000)]
public sealed class EgressCrashTests
{
    [Test]
    public async Task After_kill_9_the_policy_holds_again_and_meanwhile_everything_fails_fast(CancellationToken cancellationToken)
    {
        Requires.LocalVariant();
        // Not 127.0.0.1, which no proxy is asked for.
        using var server = new TcpListener(IPAddress.Parse("127.0.0.2"), 0);
        server.Start();
        var serving = ServeAsync(server);
        var port = ((IPEndPoint)server.LocalEndpoint).Port;
        await using var gateway = await GatewayProcess.StartNewAsync(("Gateway:Network:AllowedPrivateAddresses:0", "127.0.0.0/8"));
        await using var client = gateway.Client();
        await using var sandbox = await Sandbox.CreateAsync(
            client,
            new CreateSandboxRequest { NetworkPolicy = NetworkPolicy.Allowlist, AllowedHosts = [$"127.0.0.2:{port}"] },
            cancellationToken);
        var seen = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var running = sandbox.RunCodeAsync(
            string.Create(CultureInfo.InvariantCulture, $$"""
            import time, urllib.request, urllib.error
            slowest = 0
            def fetch(host):
                global slowest
                began = time.monotonic()
                try:
                    return urllib.request.urlopen('http://%s:{{port}}/' % host, timeout=20).read().decode()
                except urllib.error.HTTPError as e:
                    return {403: 'denied', 503: 'away'}.get(e.code, str(e.code))
                except OSError as e:
                    return 'away'
                finally:
                    slowest = max(slowest, time.monotonic() - began)
            def until(wanted):
                while (got := fetch('127.0.0.2')) != wanted:
                    assert got in ('hello', 'away'), got
                    time.sleep(0.02)
                print(wanted, flush=True)
            until('hello')
            print(fetch('127.0.0.3'), flush=True)
            until('away')
            print(fetch('127.0.0.3'), flush=True)
            until('hello')
            print(fetch('127.0.0.3'), slowest < 3 or slowest, flush=True)
            """),
            new RunCodeOptions { OnStdout = line => { if (line.Line.StartsWith("denied", StringComparison.Ordinal)) { seen.TrySetResult(); } } },
            cancellationToken);
        await seen.Task.WaitAsync(TimeSpan.FromSeconds(30), cancellationToken);

        await gateway.KillAsync();
        await gateway.StartAsync();

        var result = await running;
        result.Stdout.Should().Be("hello\ndenied\naway\naway\nhello\ndenied True\n", $"it ended with {result.Error}");
        (await sandbox.GetNetworkAsync(cancellationToken)).Should().BeEquivalentTo(new { NetworkPolicy = NetworkPolicy.Allowlist, AllowedHosts = new[] { $"127.0.0.2:{port}" } });
        await sandbox.SetNetworkAsync(NetworkPolicy.None, cancellationToken: cancellationToken);
        (await sandbox.RunCodeAsync("print(fetch('127.0.0.2'))", cancellationToken: cancellationToken)).Stdout.Should().Be("away\n");
        server.Stop();
        await serving;
    }

    private static async Task ServeAsync(TcpListener listener)
    {
        while (true)
        {
            try
            {
                using var visitor = await listener.AcceptSocketAsync();
                await visitor.SendAsync("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"u8.ToArray());
                visitor.Shutdown(SocketShutdown.Send);
                var rest = new byte[4096];
                while (await visitor.ReceiveAsync(rest) > 0)
                {
                }
            }
            catch (SocketException) when (listener.Server.IsBound)
            {
                // That visitor left.
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException or InvalidOperationException)
            {
                return;
            }
        }
    }
}
