using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using KernelGateway.Server.Tests.Support;

namespace KernelGateway.Server.Tests.Api;

[Parallelizable(ParallelScope.All)]
public sealed class HealthTests
{
    [Test]
    public async Task Health_answers_everybody()
    {
        using var nobody = SharedGateway.Instance.ClientWith(null);

        (await nobody.GetAsync("/health")).StatusCode.Should().Be(HttpStatusCode.OK);
    }

    [Test]
    public async Task Readiness_tells_of_each_variant_whether_it_can_be_used()
    {
        var ready = await SharedGateway.Instance.Http.GetFromJsonAsync<JsonElement>("/health/ready");

        ready.GetProperty("ready").GetBoolean().Should().BeTrue();
        ready.GetProperty("variants").GetProperty("local-eval").GetProperty("ready").GetBoolean().Should().BeTrue();
    }

    [Test]
    public async Task A_missing_engine_is_named_by_readiness_and_creation_is_refused_with_it()
    {
        await using var gateway = await LiveGateway.StartAsync(("Gateway:LocalDocker:SocketPath", "/nowhere/docker.sock"));

        var ready = await gateway.Http.GetFromJsonAsync<JsonElement>("/health/ready");
        ready.GetProperty("variants").GetProperty("local-docker").GetProperty("reason").GetString().Should().NotBeNullOrEmpty();
        using var refused = await gateway.Http.PostAsJsonAsync("/api/v1/sandboxes", new { variant = "Docker" });
        refused.StatusCode.Should().Be(HttpStatusCode.ServiceUnavailable);
        (await refused.Content.ReadAsStringAsync()).Should().Contain("host_not_ready").And.Contain(Environment.IsPrivilegedProcess ? "/nowhere/docker.sock" : "root");
    }

    [Test]
    public async Task A_missing_runtime_is_named_by_readiness_and_creation_is_refused_with_it()
    {
        await using var gateway = await LiveGateway.StartAsync(("Gateway:Local:RuntimePath", "/nowhere/runc"), ("Gateway:Sandboxes:DefaultVariant", "local"));

        using var ready = await gateway.Http.GetAsync("/health/ready");
        ready.StatusCode.Should().Be(HttpStatusCode.ServiceUnavailable);
        (await ready.Content.ReadAsStringAsync()).Should().Contain("/nowhere/runc");
        using var refused = await gateway.Http.PostAsJsonAsync("/api/v1/sandboxes", new { });
        refused.StatusCode.Should().Be(HttpStatusCode.ServiceUnavailable);
        var problem = await refused.Content.ReadFromJsonAsync<JsonElement>();
        problem.GetProperty("code").GetString().Should().Be("host_not_ready");
        problem.GetProperty("detail").GetString().Should().Contain("/nowhere/runc");
    }

    [Test]
    public async Task The_plain_process_is_refused_unless_configuration_allows_it()
    {
        await using var gateway = await LiveGateway.StartAsync(("Gateway:LocalEval:Enabled", "false"));

        using var refused = await gateway.Http.PostAsJsonAsync("/api/v1/sandboxes", new { variant = "local-eval" });

        refused.StatusCode.Should().Be(HttpStatusCode.BadRequest);
        (await refused.Content.ReadAsStringAsync()).Should().Contain("Gateway:LocalEval:Enabled");
    }

    [Test]
    public async Task The_API_describes_itself()
    {
        var document = await SharedGateway.Instance.Http.GetFromJsonAsync<JsonElement>("/openapi/v1.json");

        document.GetProperty("openapi").GetString().Should().StartWith("3.");
        document.GetProperty("paths").EnumerateObject().Select(p => p.Name).Should().Contain(
            ["/api/v1/sandboxes", "/api/v1/sandboxes/{id}", "/api/v1/sandboxes/{id}/executions", "/api/v1/sandboxes/{id}/events", "/api/v1/environments"]);
    }

    [Test]
    public async Task The_environments_are_listed()
    {
        var list = await SharedGateway.Instance.Http.GetFromJsonAsync<JsonElement>("/api/v1/environments");

        list.GetProperty("items").EnumerateArray().Select(e => e.GetProperty("name").GetString()).Should().Contain(["python-cpu-env", "python-scientific"]);
        using var unknown = await SharedGateway.Instance.Http.GetAsync("/api/v1/environments?variant=moon");
        unknown.StatusCode.Should().Be(HttpStatusCode.BadRequest);
        (await unknown.Content.ReadAsStringAsync()).Should().Contain("no variant 'moon'").And.Contain("local-docker");
    }
}
