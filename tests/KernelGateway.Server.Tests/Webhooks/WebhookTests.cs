using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using KernelGateway.Contracts.Errors;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Contracts.Webhooks;
using KernelGateway.Core.Egress;
using KernelGateway.Server.Tests.Support;
using Microsoft.Extensions.DependencyInjection;

namespace KernelGateway.Server.Tests.Webhooks;

/// <summary>Webhooks against real receivers on loopback, which the configuration of these tests allows.</summary>
[CancelAfter(60_000)]
public sealed class WebhookTests
{
    private LiveGateway _gateway = null!;
    private WebhookReceiver _receiver = null!;

    [OneTimeSetUp]
    public async Task Start()
    {
        _receiver = await WebhookReceiver.StartAsync();
        _gateway = await LiveGateway.StartAsync(
            services => services.AddSingleton<NameResolver>((name, _) => Task.FromResult<IPAddress[]>(
                name == "rebinds.test" ? [IPAddress.Parse("169.254.169.254")] : name == "public.test" ? [IPAddress.Loopback] : [])),
            ("Gateway:Webhooks:AllowHttp", "true"),
            ("Gateway:Webhooks:AllowedPrivateAddresses:0", "127.0.0.1/32"),
            ("Gateway:Webhooks:AllowedHosts:0", new Uri(_receiver.Address).Authority),
            ("Gateway:Webhooks:AllowedHosts:1", "rebinds.test"),
            ("Gateway:Webhooks:AllowedHosts:2", "public.test"),
            ("Gateway:Webhooks:AllowedHosts:3", "10.0.0.1"),
            ("Gateway:Webhooks:AllowedHosts:4", "127.0.0.1:1"),
            ("Gateway:Webhooks:FirstRetry", "00:00:00.01"),
            ("Gateway:Webhooks:AnswerTimeout", "00:00:00.5"),
            ("Gateway:Webhooks:MaxConcurrent", "2"),
            ("Gateway:Webhooks:MaxAttempts", "3"));
    }

    [OneTimeTearDown]
    public async Task Stop()
    {
        await _gateway.DisposeAsync();
        await _receiver.DisposeAsync();
    }

    [Test]
    public async Task The_life_of_a_sandbox_is_told_in_order_and_signed()
    {
        using var owner = await _gateway.OtherOwnerAsync("life");
        var hook = await CreateAsync(owner, "/life");
        var sandbox = await SandboxAsync(owner, new { tags = new Dictionary<string, string> { ["team"] = "a" } });
        await PostAsync(owner, $"sandboxes/{sandbox}/pause");
        await PostAsync(owner, $"sandboxes/{sandbox}/resume");
        await owner.PatchAsJsonAsync($"/api/v1/sandboxes/{sandbox}", new { name = "renamed" });
        await owner.PostAsJsonAsync($"/api/v1/sandboxes/{sandbox}/executions?wait=true", new { code = "1" });
        await owner.DeleteAsync(new Uri($"/api/v1/sandboxes/{sandbox}?graceSeconds=0", UriKind.Relative));

        var last = 0L;
        foreach (var type in new[] { "sandbox.created", "sandbox.running", "sandbox.paused", "sandbox.resumed", "sandbox.changed", "sandbox.ended" })
        {
            var received = await _receiver.NextAsync("/life");
            received.IsSignedWith(hook.Secret!).Should().BeTrue();
            (received with { Body = received.Body + " " }).IsSignedWith(hook.Secret!).Should().BeFalse();
            var message = received.Message;
            message.Type.Should().Be(type, "executions are told of only where that is asked for");
            message.Id.Should().Be(received.Id);
            message.SandboxId.Should().Be(sandbox);
            message.Tags.Should().Contain("team", "a");
            message.Event!.Sequence.Should().BeGreaterThan(last);
            last = message.Event.Sequence;
        }

        var ended = (await DeliveriesAsync(owner, hook.Id, d => d.Count == 6))[0];
        ended.Should().Match<WebhookDelivery>(d => d.State == WebhookDeliveryState.Delivered && d.Status == 200 && d.Attempts == 1 && d.Type == "sandbox.ended");
    }

    [Test]
    public async Task A_filter_chooses_and_others_are_told_nothing()
    {
        using var owner = await _gateway.OtherOwnerAsync("filter");
        using var stranger = await _gateway.OtherOwnerAsync("stranger");
        var before = await SandboxAsync(owner, new { });
        var hook = await CreateAsync(owner, "/filter", WebhookEventTypes.ExecutionFinished, WebhookEventTypes.Ended);
        await owner.PostAsJsonAsync($"/api/v1/sandboxes/{await SandboxAsync(stranger, new { })}/executions?wait=true", new { code = "1" });
        await owner.PostAsJsonAsync($"/api/v1/sandboxes/{before}/executions?wait=true", new { code = "1/0" });

        (await _receiver.NextAsync("/filter")).Message.Should().Match<WebhookMessage>(m => m.SandboxId == before && m.Type == "execution.finished" && m.Event is ExecutionFinishedEvent);

        await Refused(stranger.GetAsync(new Uri($"/api/v1/webhooks/{hook.Id}", UriKind.Relative)), HttpStatusCode.NotFound, ErrorCodes.WebhookNotFound);
        await Refused(stranger.GetAsync(new Uri($"/api/v1/webhooks/{hook.Id}/deliveries", UriKind.Relative)), HttpStatusCode.NotFound, ErrorCodes.WebhookNotFound);
        await Refused(stranger.DeleteAsync(new Uri($"/api/v1/webhooks/{hook.Id}", UriKind.Relative)), HttpStatusCode.NotFound, ErrorCodes.WebhookNotFound);
        (await stranger.GetFromJsonAsync<List<WebhookInfo>>("/api/v1/webhooks")).Should().BeEmpty();
    }

    [Test]
    public async Task A_receiver_that_fails_is_sent_the_same_message_again_and_at_last_given_up()
    {
        using var owner = await _gateway.OtherOwnerAsync("failing");
        var failures = 0;
        _receiver.Answer("/failing", (_, http) =>
        {
            http.Response.StatusCode = ++failures is 1 ? 500 : failures <= 2 ? 302 : failures == 3 ? 200 : 503;
            http.Response.Headers.Location = "/elsewhere";
            return Task.CompletedTask;
        });
        var hook = await CreateAsync(owner, "/failing", WebhookEventTypes.Created, WebhookEventTypes.Running);
        await SandboxAsync(owner, new { });

        var all = new List<ReceivedHook>();
        for (var i = 0; i < 6; i++)
        {
            all.Add(await _receiver.NextAsync("/failing"));
        }

        all.Take(3).Select(h => h.Id).Distinct().Should().ContainSingle();
        all.Skip(3).Select(h => h.Id).Distinct().Should().ContainSingle().Which.Should().NotBe(all[0].Id);
        var deliveries = await DeliveriesAsync(owner, hook.Id, d => d is [{ State: WebhookDeliveryState.Failed }, _]);
        deliveries[0].Should().Match<WebhookDelivery>(d => d.Attempts == 3 && d.Status == 503 && d.Type == "sandbox.running");
        deliveries[1].Should().Match<WebhookDelivery>(d => d.State == WebhookDeliveryState.Delivered && d.Attempts == 3);
    }

    [Test]
    public async Task A_receiver_that_is_slow_or_dead_or_endless_holds_up_nobody()
    {
        using var owner = await _gateway.OtherOwnerAsync("slow");
        _receiver.Answer("/slow", (_, http) => Task.Delay(Timeout.Infinite, http.RequestAborted));
        _receiver.Answer("/endless", async (_, http) =>
        {
            var piece = new byte[1 << 16];
            while (!http.RequestAborted.IsCancellationRequested)
            {
                await http.Response.Body.WriteAsync(piece, http.RequestAborted);
            }
        });
        var slow = await CreateAsync(owner, "/slow");
        var endless = await CreateAsync(owner, "/endless", WebhookEventTypes.Ended);
        var dead = await CreateAsync(owner, new Uri("http://127.0.0.1:1/"), WebhookEventTypes.Ended);
        await CreateAsync(owner, "/quick", WebhookEventTypes.Ended);

        var sandboxes = new List<string>();
        for (var i = 0; i < 3; i++)
        {
            sandboxes.Add(await SandboxAsync(owner, new { }));
        }

        foreach (var sandbox in sandboxes)
        {
            await owner.DeleteAsync(new Uri($"/api/v1/sandboxes/{sandbox}?graceSeconds=0", UriKind.Relative));
            (await _receiver.NextAsync("/quick")).Message.SandboxId.Should().Be(sandbox);
        }

        (await DeliveriesAsync(owner, endless.Id, d => d.Count == 3)).Should().OnlyContain(d => d.State == WebhookDeliveryState.Delivered, "the body is nobody's concern");
        (await DeliveriesAsync(owner, dead.Id, d => d.Count == 3 && d.All(it => it.State == WebhookDeliveryState.Failed)))[0].Error.Should().Contain("refused");
        var waiting = await DeliveriesAsync(owner, slow.Id, d => d.Count > 0);
        waiting[0].Error.Should().Contain("0.5 s");
        (await owner.DeleteAsync(new Uri($"/api/v1/webhooks/{slow.Id}", UriKind.Relative))).StatusCode.Should().Be(HttpStatusCode.NoContent);
        await Refused(owner.GetAsync(new Uri($"/api/v1/webhooks/{slow.Id}/deliveries", UriKind.Relative)), HttpStatusCode.NotFound, ErrorCodes.WebhookNotFound);
    }

    [TestCase("http://10.0.0.1/", "a private address")]
    [TestCase("http://elsewhere.test/", "not in allowedHosts")]
    [TestCase("ftp://public.test/", "https")]
    [TestCase("http://user:word@public.test/", "without user")]
    [TestCase("http://public.test/#part", "fragment")]
    [TestCase("public.test", "absolute")]
    [TestCase("http://public.test:22/", "port 22")]
    [TestCase(null, "absolute")]
    public async Task An_address_that_may_not_be_reached_is_refused(string? url, string why)
    {
        var problem = await Refused(_gateway.Http.PostAsJsonAsync("/api/v1/webhooks", new { url }), HttpStatusCode.BadRequest, ErrorCodes.InvalidArgument);
        problem.GetProperty("field").GetString().Should().Be("url");
        problem.GetProperty("detail").GetString().Should().Contain(why);
    }

    [Test]
    public async Task By_default_only_https_to_public_hosts_is_allowed()
    {
        foreach (var (url, why) in new[] { ("http://public.example/", "AllowHttp"), ("https://127.0.0.1/", "a loopback address"), ("https://[::1]/", "a loopback address"), ("https://169.254.169.254/latest", "metadata"), ("https://0x7f000001/", "loopback"), ("https://host.example:8443/", "port 8443") })
        {
            var problem = await Refused(SharedGateway.Instance.Http.PostAsJsonAsync("/api/v1/webhooks", new { url }), HttpStatusCode.BadRequest, ErrorCodes.InvalidArgument);
            problem.GetProperty("detail").GetString().Should().Contain(why, "of {0}", url);
        }
    }

    [Test]
    public async Task A_name_that_leads_inside_is_noticed_when_it_is_dialled()
    {
        var hook = await CreateAsync(_gateway.Http, new Uri("http://rebinds.test/"), WebhookEventTypes.ExecutionFinished);

        var delivery = await TestAsync(hook.Id);

        delivery.State.Should().Be(WebhookDeliveryState.Failed);
        delivery.Status.Should().BeNull();
        delivery.Error.Should().Contain("metadata");
    }

    [Test]
    public async Task A_test_message_is_sent_once_and_the_secret_is_never_seen_again()
    {
        const string Secret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
        using var answer = await _gateway.Http.PostAsJsonAsync("/api/v1/webhooks", new { url = _receiver.Address + "/try", secret = Secret, events = new[] { WebhookEventTypes.ExecutionFinished } });
        var made = (await answer.Content.ReadFromJsonAsync<WebhookInfo>())!;

        (await TestAsync(made.Id)).Should().Match<WebhookDelivery>(d => d.State == WebhookDeliveryState.Delivered && d.Status == 200 && d.Type == "test");

        var received = await _receiver.NextAsync("/try");
        received.IsSignedWith(Secret).Should().BeTrue();
        foreach (var path in new[] { "", $"/{made.Id}", $"/{made.Id}/deliveries" })
        {
            (await _gateway.Http.GetStringAsync($"/api/v1/webhooks{path}")).Should().NotContain("whsec").And.NotContain("secret");
        }

        await Refused(_gateway.Http.PostAsJsonAsync("/api/v1/webhooks", new { url = _receiver.Address, secret = "short" }), HttpStatusCode.BadRequest, ErrorCodes.InvalidArgument);
        await Refused(_gateway.Http.PostAsJsonAsync("/api/v1/webhooks", new { url = _receiver.Address, events = new[] { "sandbox.exploded" } }), HttpStatusCode.BadRequest, ErrorCodes.InvalidArgument);
    }

    [Test]
    public async Task There_may_be_so_many_webhooks_of_one_owner()
    {
        using var owner = await _gateway.OtherOwnerAsync("many");
        for (var i = 0; i < 10; i++)
        {
            await CreateAsync(owner, "/many");
        }

        await Refused(owner.PostAsJsonAsync("/api/v1/webhooks", new { url = _receiver.Address }), HttpStatusCode.TooManyRequests, ErrorCodes.LimitReached);
    }

    private Task<WebhookInfo> CreateAsync(HttpClient owner, string path, params string[] events) => CreateAsync(owner, new Uri(_receiver.Address + path), events);

    private static async Task<WebhookInfo> CreateAsync(HttpClient owner, Uri url, params string[] events)
    {
        using var answer = await owner.PostAsJsonAsync("/api/v1/webhooks", new { url, events });
        answer.StatusCode.Should().Be(HttpStatusCode.Created, await answer.Content.ReadAsStringAsync());
        var made = (await answer.Content.ReadFromJsonAsync<WebhookInfo>())!;
        made.Secret.Should().StartWith("whsec_");
        return made;
    }

    private static async Task<string> SandboxAsync(HttpClient owner, object request)
    {
        using var answer = await owner.PostAsJsonAsync("/api/v1/sandboxes", request);
        answer.IsSuccessStatusCode.Should().BeTrue(await answer.Content.ReadAsStringAsync());
        return (await answer.Content.ReadFromJsonAsync<SandboxInfo>())!.Id;
    }

    private static async Task PostAsync(HttpClient owner, string path)
    {
        using var answer = await owner.PostAsync(new Uri($"/api/v1/{path}", UriKind.Relative), null);
        answer.IsSuccessStatusCode.Should().BeTrue(await answer.Content.ReadAsStringAsync());
    }

    private async Task<WebhookDelivery> TestAsync(string id)
    {
        using var answer = await _gateway.Http.PostAsync(new Uri($"/api/v1/webhooks/{id}/test", UriKind.Relative), null);
        return (await answer.Content.ReadFromJsonAsync<WebhookDelivery>())!;
    }

    /// <summary>There is no event for what a delivery has become; it is asked for until it is as wanted.</summary>
    private static async Task<List<WebhookDelivery>> DeliveriesAsync(HttpClient owner, string id, Func<List<WebhookDelivery>, bool> wanted)
    {
        List<WebhookDelivery> now = [];
        await Wait.UntilAsync(
            async () => wanted(now = (await owner.GetFromJsonAsync<List<WebhookDelivery>>($"/api/v1/webhooks/{id}/deliveries"))!),
            TimeSpan.FromSeconds(30),
            "the deliveries are as wanted");
        return now;
    }

    private static Task<JsonElement> Refused(Task<HttpResponseMessage> call, HttpStatusCode status, string code) => call.RefusedAsync((int)status, code);
}
