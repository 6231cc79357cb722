using System.Net;
using System.Net.Sockets;
using KernelGateway.Client.Tests.Gateway;
using KernelGateway.Contracts.Sandboxes;
using Microsoft.AspNetCore.Http;

namespace KernelGateway.Client.Tests;

[Parallelizable(ParallelScope.All)]
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public sealed class RequestTests : FakeGatewayFixture
{
    [Test]
    public async Task A_sandbox_is_created_once_though_the_answer_is_lost()
    {
        var lost = 0;
        Gateway.State.LoseAnswer = http => http.Request.Method == "POST" && Interlocked.Increment(ref lost) <= 2;

        var sandbox = await Sandbox.CreateAsync(Client, cancellationToken: Deadline);

        lost.Should().Be(3);
        Gateway.State.Sandboxes.Should().ContainSingle().Which.Id.Should().Be(sandbox.Id);
    }

    [Test]
    public async Task A_network_is_set_and_read_though_an_answer_is_lost()
    {
        var sandbox = await Sandbox.CreateAsync(
            Client, new CreateSandboxRequest { NetworkPolicy = NetworkPolicy.Allowlist, AllowedHosts = ["a.org"], DeniedHosts = ["*"] }, Deadline);
        (sandbox.Info.NetworkPolicy, sandbox.Info.AllowedHosts.Single(), sandbox.Info.DeniedHosts.Single()).Should().Be((NetworkPolicy.Allowlist, "a.org", "*"));
        var lost = 0;
        Gateway.State.LoseAnswer = http => http.Request.Method == "PUT" && Interlocked.Increment(ref lost) <= 1;

        var set = await sandbox.SetNetworkAsync(NetworkPolicy.All, deniedHosts: ["evil.org"], cancellationToken: Deadline);

        lost.Should().Be(2);
        set.Should().BeEquivalentTo(await sandbox.GetNetworkAsync(Deadline));
        (set.NetworkPolicy, set.AllowedHosts.Count, set.DeniedHosts.Single(), set.Denied).Should().Be((NetworkPolicy.All, 0, "evil.org", 3L));
    }

    [Test]
    public async Task Code_runs_once_though_the_answer_is_lost()
    {
        var (fake, sandbox) = await OpenAsync();
        var lost = 0;
        Gateway.State.LoseAnswer = http => http.Request.Method == "POST" && Interlocked.Increment(ref lost) <= 2;

        (await sandbox.RunCodeAsync("x", cancellationToken: Deadline)).Success.Should().BeTrue();

        lost.Should().Be(3);
        fake.Runs.Should().HaveCount(1);
    }

    [Test]
    public async Task A_connection_that_was_reset_before_its_use_is_made_again_even_for_what_is_never_repeated()
    {
        using var crashing = new TcpListener(IPAddress.Loopback, 0);
        crashing.Start();
        var resets = 0;
        using var handler = new SocketsHttpHandler
        {
            PooledConnectionLifetime = TimeSpan.Zero,
            ConnectCallback = async (context, cancellationToken) =>
            {
                var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
                if (Interlocked.Decrement(ref resets) < 0)
                {
                    await socket.ConnectAsync(context.DnsEndPoint, cancellationToken);
                    return new NetworkStream(socket, ownsSocket: true);
                }

                await socket.ConnectAsync(crashing.LocalEndpoint, cancellationToken);
                using (var accepted = await crashing.AcceptSocketAsync(cancellationToken))
                {
                    accepted.LingerState = new LingerOption(true, 0);
                }

                socket.Poll(TimeSpan.FromSeconds(10), SelectMode.SelectRead);
                return new NetworkStream(socket, ownsSocket: true);
            },
        };
        await using var client = Gateway.Connect(change: options => new() { BaseAddress = options.BaseAddress, ApiKey = options.ApiKey, HttpMessageHandler = handler });
        var fake = Gateway.State.Create(new CreateSandboxRequest());

        var sandbox = await Sandbox.FromIdAsync(fake.Id, client, Deadline);
        resets = 2;

        await sandbox.RestartAsync(cancellationToken: Deadline);

        (resets, fake.Restarts).Should().Be((-1, 1));
    }

    [Test]
    public async Task Two_calls_are_two_runs_and_a_key_of_ones_own_names_one()
    {
        var (fake, sandbox) = await OpenAsync();

        await sandbox.RunCodeAsync("x", cancellationToken: Deadline);
        await sandbox.RunCodeAsync("x", cancellationToken: Deadline);
        var named = await sandbox.StartCodeAsync("x", new RunCodeOptions { IdempotencyKey = "night-run" }, Deadline);
        var again = await sandbox.StartCodeAsync("x", new RunCodeOptions { IdempotencyKey = "night-run" }, Deadline);

        fake.Runs.Should().HaveCount(3);
        again.Id.Should().Be(named.Id);
    }

    [Test]
    public async Task A_kernel_restart_that_may_have_happened_is_not_repeated()
    {
        var (fake, sandbox) = await OpenAsync();
        Gateway.State.LoseAnswer = http => http.Request.Path.Value!.EndsWith("/restart", StringComparison.Ordinal);

        var restarting = () => sandbox.RestartAsync(cancellationToken: Deadline);

        (await restarting.Should().ThrowAsync<KernelGatewayException>()).Which.Code.Should().Be(ClientErrorCodes.ConnectionLost);
        fake.Restarts.Should().Be(1);
    }

    [Test]
    public async Task A_gateway_that_is_stopping_or_hidden_by_its_proxy_is_waited_for()
    {
        var requests = 0;
        Gateway.State.Intercept = _ => Interlocked.Increment(ref requests) switch
        {
            1 => FakeRoutes.Problem(503, "shutting_down", "The gateway is stopping."),
            2 => Results.Text("<html>Bad Gateway</html>", "text/html", statusCode: 502),
            _ => null,
        };

        var environments = await Sandbox.ListEnvironmentsAsync(Client, cancellationToken: Deadline);

        environments.Should().ContainSingle().Which.Name.Should().Be("python-cpu-env");
        requests.Should().Be(3);
    }

    [Test]
    public async Task A_host_that_is_not_ready_is_told_at_once()
    {
        Gateway.State.Intercept = _ => FakeRoutes.Problem(503, "host_not_ready", "The program 'runc' is missing.");

        var creating = () => Sandbox.CreateAsync(Client, cancellationToken: Deadline);

        var error = (await creating.Should().ThrowAsync<KernelGatewayException>()).Which;
        error.Should().Match<KernelGatewayException>(e => e.Code == "host_not_ready" && e.Status == 503 && e.Message == "The program 'runc' is missing.");
        Gateway.State.Requests.Should().HaveCount(1);
    }

    [Test]
    public async Task A_refusal_names_code_status_and_field()
    {
        var (_, sandbox) = await OpenAsync();

        var running = () => sandbox.RunCodeAsync("", cancellationToken: Deadline);

        var error = (await running.Should().ThrowAsync<KernelGatewayException>()).Which;
        error.Should().Match<KernelGatewayException>(e => e.Code == "invalid_argument" && e.Status == 400 && e.Field == "code" && e.Message == "The code is empty.");
    }

    [Test]
    public async Task Something_that_is_no_gateway_is_recognised([Values(200, 404)] int status)
    {
        Gateway.State.Intercept = _ => Results.Text("<html>It works!</html>", "text/html", statusCode: status);

        var reading = () => Sandbox.FromIdAsync("any", Client, Deadline);

        (await reading.Should().ThrowAsync<KernelGatewayException>()).Which.Code.Should().Be(ClientErrorCodes.UnexpectedAnswer);
    }

    [Test]
    public async Task A_wrong_key_is_told_at_once_by_requests_and_by_the_hub()
    {
        var (fake, _) = await OpenAsync();
        await using var stranger = Gateway.Connect(change: options => new() { BaseAddress = options.BaseAddress, ApiKey = "wrong" });

        var asking = () => Sandbox.FromIdAsync(fake.Id, stranger, Deadline);
        var reading = async () => await stranger.EventsOf(fake.Id).ReadAsync(0, Deadline).GetAsyncEnumerator(Deadline).MoveNextAsync();

        (await asking.Should().ThrowAsync<KernelGatewayException>()).Which.Code.Should().Be("unauthenticated");
        (await reading.Should().ThrowAsync<KernelGatewayException>()).Which.Should().Match<KernelGatewayException>(e => e.Code == "unauthenticated" && e.Status == 401);
    }

    [Test]
    public async Task A_gateway_that_never_answered_is_given_up_soon()
    {
        // Bound, so that nobody else gets the port, and not listening, so that connections are refused.
        using var silent = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        silent.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        await using var client = new KernelGatewayClient(new KernelGatewayClientOptions
        {
            BaseAddress = new Uri($"http://{silent.LocalEndPoint}"),
            FirstContactTimeout = TimeSpan.FromMilliseconds(200),
            GiveUpAfter = Timeout.InfiniteTimeSpan,
        });

        var creating = () => Sandbox.CreateAsync(client, cancellationToken: Deadline);

        var error = (await creating.Should().ThrowAsync<KernelGatewayException>()).Which;
        error.Code.Should().Be(ClientErrorCodes.Unreachable);
        error.Message.Should().Contain(client.BaseAddress.ToString()).And.Contain("0.2 s").And.Contain("refused");
    }

    [Test]
    public async Task A_gateway_that_went_away_is_given_up_after_the_time_that_was_set()
    {
        await using var client = Gateway.Connect(change: options => new() { BaseAddress = options.BaseAddress, ApiKey = options.ApiKey, GiveUpAfter = TimeSpan.FromMilliseconds(300) });
        var (_, sandbox) = await OpenAsync(client);
        var reading = sandbox.EventsAsync(0, Deadline).GetAsyncEnumerator(Deadline);
        var next = reading.MoveNextAsync().AsTask();
        await Gateway.EndAsync();

        var asking = () => sandbox.RefreshAsync(Deadline);

        (await asking.Should().ThrowAsync<KernelGatewayException>()).Which.Code.Should().Be(ClientErrorCodes.Unreachable);
        (await FluentActions.Awaiting(() => next).Should().ThrowAsync<KernelGatewayException>()).Which.Code.Should().Be(ClientErrorCodes.Unreachable);
        await reading.DisposeAsync();
    }

    [Test]
    public async Task An_attempt_that_hangs_is_tried_again()
    {
        await using var client = Gateway.Connect(change: options => new() { BaseAddress = options.BaseAddress, ApiKey = options.ApiKey, RequestTimeout = TimeSpan.FromMilliseconds(300) });
        var requests = 0;
        Gateway.State.Intercept = http => Interlocked.Increment(ref requests) == 1 ? new Hang(http.RequestAborted) : null;

        (await Sandbox.ListEnvironmentsAsync(client, cancellationToken: Deadline)).Should().HaveCount(1);
        requests.Should().Be(2);
    }

    [Test]
    public async Task All_pages_of_a_list_are_read_and_its_filters_sent()
    {
        for (var n = 0; n < 7; n++)
        {
            Gateway.State.Create(new CreateSandboxRequest { Name = $"box-{n}", Tags = n % 2 == 0 ? new Dictionary<string, string> { ["team"] = "a&b" } : null });
        }

        var filter = new SandboxFilter { PageSize = 2, Tags = new Dictionary<string, string> { ["team"] = "a&b" }, State = SandboxState.Running };
        var names = new List<string>();
        await foreach (var info in Sandbox.ListAsync(Client, filter, Deadline))
        {
            names.Add(info.Name);
        }

        names.Should().Equal("box-6", "box-4", "box-2", "box-0");
        Gateway.State.Requests.Should().Contain("GET /api/v1/sandboxes?state=running&tag=team%3Aa%26b&limit=2&cursor=2");
    }

    [Test]
    public async Task An_id_cannot_lead_to_another_route([Values("..", ".", "", "a/b", "a?b")] string id)
    {
        var reading = () => Sandbox.FromIdAsync(id, Client, Deadline);

        if (id.Trim('.').Length == 0)
        {
            await reading.Should().ThrowAsync<ArgumentException>();
        }
        else
        {
            await reading.Should().ThrowAsync<KernelGatewayException>();
            Gateway.State.Requests.Should().ContainSingle().Which.Should().NotContain("?");
        }
    }

    private sealed class Hang(CancellationToken aborted) : IResult
    {
        public async Task ExecuteAsync(HttpContext httpContext)
        {
            try
            {
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, aborted);
            }
            catch (OperationCanceledException)
            {
                // The client has lost its patience, as it should.
            }
        }
    }
}
