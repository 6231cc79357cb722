using System.Net;
using System.Net.WebSockets;
using System.Text;
using KernelGateway.Server.Tests.Support;

namespace KernelGateway.Server.Tests.Security;

/// <summary>What a browser may be made to do against the gateway.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class BrowserTests
{
    private static LiveGateway Gateway => SharedGateway.Instance;

    [TestCase("https://evil.example")]
    [TestCase("null")]
    [TestCase("http://127.0.0.1.evil.example")]
    [TestCase("file://")]
    public async Task A_page_of_another_site_is_refused_even_with_a_key(string origin)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/v1/sandboxes");
        request.Headers.TryAddWithoutValidation("Origin", origin);
        using var answer = await Gateway.Http.SendAsync(request);

        answer.StatusCode.Should().Be(HttpStatusCode.Forbidden);
        answer.Headers.Contains("Access-Control-Allow-Origin").Should().BeFalse();
    }

    [Test]
    public async Task A_hub_connection_from_a_page_of_another_site_is_refused_before_it_is_upgraded()
    {
        using var socket = new ClientWebSocket();
        socket.Options.SetRequestHeader("Origin", "https://evil.example");
        socket.Options.CollectHttpResponseDetails = true;

        var connecting = () => socket.ConnectAsync(new Uri($"ws://{Gateway.Address.Authority}/hubs/sandboxes?access_token={Gateway.Key}"), CancellationToken.None);

        await connecting.Should().ThrowAsync<WebSocketException>();
        socket.HttpStatusCode.Should().Be(HttpStatusCode.Forbidden);
    }

    [Test]
    public async Task The_gateways_own_origin_may()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/v1/sandboxes");
        request.Headers.TryAddWithoutValidation("Origin", $"http://{Gateway.Address.Authority}");
        using var answer = await Gateway.Http.SendAsync(request);

        answer.StatusCode.Should().Be(HttpStatusCode.OK);
    }

    [Test]
    public async Task An_origin_that_the_configuration_lists_may_and_the_browser_is_told_so()
    {
        await using var gateway = await LiveGateway.StartAsync(("Gateway:AllowedOrigins:0", "https://notebooks.example"));
        using var preflight = new HttpRequestMessage(HttpMethod.Options, "/api/v1/sandboxes");
        preflight.Headers.Add("Origin", "https://notebooks.example");
        preflight.Headers.Add("Access-Control-Request-Method", "POST");
        preflight.Headers.Add("Access-Control-Request-Headers", "authorization, content-type");
        using var anonymous = gateway.ClientWith(null);
        using var allowed = await anonymous.SendAsync(preflight);
        allowed.Headers.GetValues("Access-Control-Allow-Origin").Should().Equal("https://notebooks.example");

        using var foreign = new HttpRequestMessage(HttpMethod.Get, "/api/v1/sandboxes");
        foreign.Headers.Add("Origin", "https://other.example");
        using var refused = await gateway.Http.SendAsync(foreign);
        refused.StatusCode.Should().Be(HttpStatusCode.Forbidden);
    }

    [TestCase("https://notebooks.example/")]
    [TestCase("*")]
    [TestCase("notebooks.example")]
    public async Task An_allowed_origin_that_is_none_stops_the_start(string origin)
    {
        var start = () => LiveGateway.StartAsync(("Gateway:AllowedOrigins:0", origin));

        (await start.Should().ThrowAsync<Microsoft.Extensions.Options.OptionsValidationException>()).WithMessage($"*{origin.Replace("*", "")}*not an origin*");
    }

    [TestCase("/health", 200)]
    [TestCase("/openapi/v1.json", 200)]
    [TestCase("/api/v1/sandboxes", 401)]
    [TestCase("/nowhere", 404)]
    [TestCase("/api/v1/sandboxes/none", 404)]
    public async Task Every_answer_forbids_browsers_to_guess_run_frame_or_keep_it(string path, int status)
    {
        using var caller = Gateway.ClientWith(status == 401 ? null : Gateway.Key);
        using var answer = await caller.GetAsync(path);

        ((int)answer.StatusCode).Should().Be(status);
        answer.Headers.GetValues("X-Content-Type-Options").Should().Equal("nosniff");
        answer.Headers.GetValues("Content-Security-Policy").Single().Should().Contain("default-src 'none'").And.Contain("frame-ancestors 'none'");
        answer.Headers.GetValues("Referrer-Policy").Should().Equal("no-referrer");
        answer.Headers.CacheControl!.NoStore.Should().BeTrue();
    }

    [TestCase("application/x-www-form-urlencoded")]
    [TestCase("text/plain")]
    [TestCase("multipart/form-data; boundary=x")]
    public async Task H04_What_a_form_can_send_is_not_taken_for_JSON(string type)
    {
        using var content = new StringContent("{}", Encoding.UTF8);
        content.Headers.Remove("Content-Type");
        content.Headers.TryAddWithoutValidation("Content-Type", type);
        using var answer = await Gateway.Http.PostAsync("/api/v1/sandboxes", content);

        answer.StatusCode.Should().Be(HttpStatusCode.UnsupportedMediaType);
    }
}
