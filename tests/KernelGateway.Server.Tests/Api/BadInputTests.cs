using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using KernelGateway.Server.Tests.Support;

namespace KernelGateway.Server.Tests.Api;

/// <summary>Every wrong value gets an answer that names the field, the problem and the way out.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class BadInputTests
{
    private static readonly object[] BadCreations =
    [
        new object[] { """{"variant":"mainframe"}""", 400, "variant_not_found", "variant", "Choose one of: local" },
        new object[] { """{"environment":"cobol-env"}""", 400, "environment_not_found", "environment", "python-cpu-env" },
        new object[] { """{"variant":"datalayer"}""", 400, "not_supported", "variant", "switched off" },
        new object[] { """{"cpu":0}""", 400, "invalid_argument", "cpu", "between 0.05 and" },
        new object[] { """{"cpu":1e9}""", 400, "invalid_argument", "cpu", "between 0.05 and" },
        new object[] { """{"memoryMb":512}""", 400, "not_supported", "memoryMb", "cannot hold a kernel to limits" },
        new object[] { """{"memoryMb":1}""", 400, "invalid_argument", "memoryMb", "between 64 and" },
        new object[] { """{"gpu":"T4"}""", 400, "not_supported", "gpu", "no GPUs" },
        new object[] { """{"pids":-1}""", 400, "invalid_argument", "pids", "between 16 and" },
        new object[] { """{"timeoutSeconds":-1}""", 400, "invalid_argument", "timeoutSeconds", "between 0" },
        new object[] { """{"idleTimeoutSeconds":1e300}""", 400, "invalid_argument", "idleTimeoutSeconds", "between 0" },
        new object[] { """{"name":""}""", 400, "invalid_argument", "name", "1 to 64 characters" },
        new object[] { """{"name":"a\nb"}""", 400, "invalid_argument", "name", "control characters" },
        new object[] { """{"env":{"A-B":"x"}}""", 400, "invalid_argument", "env", "A-B" },
        new object[] { """{"env":{"A":"x\u0000y"}}""", 400, "invalid_argument", "env", "NUL" },
        new object[] { """{"tags":{"":"x"}}""", 400, "invalid_argument", "tags", "1 to 64" },
        new object[] { $$$"""{"tags":{"a":"{{{new string('x', 257)}}}"}}""", 400, "invalid_argument", "tags", "a value over 256" },
        new object[] { $$$"""{"tags":{"{{{new string('k', 65)}}}":"x"}}""", 400, "invalid_argument", "tags", "1 to 64" },
        new object[] { "{\"tags\":{" + string.Join(',', Enumerable.Range(0, 65).Select(i => $"\"t{i}\":\"x\"")) + "}}", 400, "invalid_argument", "tags", "at most 64" },
        new object[] { """{"tags":{"a\nb":"x"}}""", 400, "invalid_argument", "tags", "control character" },
        new object[] { $$"""{"name":"{{new string('n', 300)}}"}""", 400, "invalid_argument", "name", "1 to 64 characters" },
        new object[] { """{"name":"a\u0000b"}""", 400, "invalid_argument", "name", "control characters" },
        new object[] { """{"lifetimeSeconds":-1}""", 400, "invalid_argument", "lifetimeSeconds", "between 0" },
        new object[] { """{"autoResume":"often"}""", 400, "invalid_argument", "autoResume", "autoResume" },
        new object[] { """{"networkPolicy":"open"}""", 400, "invalid_argument", "networkPolicy", "none, allowlist or all" },
        new object[] { """{"networkPolicy":2}""", 400, "invalid_argument", "networkPolicy", "none, allowlist or all" },
        new object[] { """{"variant":"local","networkPolicy":"allowlist","allowedHosts":"a.org"}""", 400, "invalid_argument", "allowedHosts", "a list of texts" },
        new object[] { """{"variant":"local","networkPolicy":"allowlist","allowedHosts":["a\u0000b"]}""", 400, "invalid_argument", "allowedHosts", "host name" },
        new object[] { """{"variant":"local","networkPolicy":"allowlist","allowedHosts":["*"]}""", 400, "invalid_argument", "allowedHosts", "deniedHosts only" },
        new object[] { """{"variant":"local","networkPolicy":"all","deniedHosts":["a.*.b"]}""", 400, "invalid_argument", "deniedHosts", "wildcard" },
        new object[] { """{"variant":"local","networkPolicy":"all","deniedHosts":[null]}""", 400, "invalid_argument", "deniedHosts", "null" },
        new object[] { """{"variant":"local","allowedHosts":["a.org"]}""", 400, "invalid_argument", "allowedHosts", "'allowlist'" },
        new object[] { """{"networkPolicy":"none"}""", 400, "not_supported", "networkPolicy", "Variants that can: local, local-docker." },
        new object[] { """{"image":"python:3"}""", 400, "not_supported", "image", "use a variant with images: local-docker." },
        new object[] { """{"variant":"docker","image":"python:3"}""", 400, "invalid_argument", "image", "It allows none to be chosen" },
        new object[] { """{"variant":"docker","image":"a\nb"}""", 400, "invalid_argument", "image", "What 'image' names is not an image" },
        new object[] { """{"networkPolicy":"allowlist","allowedHosts":["a.org"]}""", 400, "not_supported", "networkPolicy", "Variants that can: local, local-docker." },
        new object[] { """{"cpu":"many"}""", 400, "invalid_argument", "cpu", "must be a number" },
        new object[] { """{"colour":"blue"}""", 400, "invalid_argument", "colour", "There is no field 'colour' here. Those that there are: name, variant, " },
        new object[] { """{"memory":512}""", 400, "invalid_argument", "memory", ", memoryMb, " },
        new object[] { """{"cpu":""", 400, "invalid_argument", "cpu", "JSON" },
        new object[] { """[1,2]""", 400, "invalid_argument", null!, "JSON" },
        new object[] { "not json", 400, "invalid_argument", null!, "JSON" },
    ];

    private static LiveGateway Gateway => SharedGateway.Instance;

    [TestCaseSource(nameof(BadCreations))]
    public async Task A_wrong_creation_is_refused_by_name(string body, int status, string code, string? field, string hint)
    {
        using var answer = await Gateway.Http.PostAsync("/api/v1/sandboxes", new StringContent(body, Encoding.UTF8, "application/json"));

        await ShouldBeProblem(answer, status, code, field, hint);
    }

    [TestCase("""{"code":""}""", "code")]
    [TestCase("""{"code":"  \n "}""", "code")]
    [TestCase("""{"code":null}""", "code")]
    [TestCase("""{"code":5}""", "code")]
    [TestCase("""{}""", null)]
    [TestCase("""{"code":"1","timeoutSeconds":-1}""", "timeoutSeconds")]
    [TestCase("""{"code":"1","idempotencyKey":"with space"}""", "idempotencyKey")]
    public async Task A_wrong_run_is_refused_by_name(string body, string? field)
    {
        var sandbox = await Gateway.CreateAsync();

        using var answer = await Gateway.Http.PostAsync($"/api/v1/sandboxes/{sandbox.Id}/executions", new StringContent(body, Encoding.UTF8, "application/json"));

        await ShouldBeProblem(answer, 400, "invalid_argument", field, field ?? "code");
    }

    [Test]
    public async Task An_unknown_context_is_refused()
    {
        var sandbox = await Gateway.CreateAsync();

        using var answer = await Gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandbox.Id}/executions", new { code = "1", contextId = "other" });

        await ShouldBeProblem(answer, 404, "context_not_found", "contextId", "no context");
    }

    [Test]
    public async Task Code_over_the_limit_is_refused_with_both_sizes()
    {
        var sandbox = await Gateway.CreateAsync();

        using var answer = await Gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandbox.Id}/executions", new { code = new string('#', (1 << 20) + 1) });

        await ShouldBeProblem(answer, 400, "invalid_argument", "code", "1048576");
    }

    [Test]
    public async Task A_body_over_the_limit_is_refused()
    {
        // By hand, for a client library would go on sending and see no more than a broken connection.
        using var connection = new TcpClient(Gateway.Address.Host, Gateway.Address.Port);
        await using var stream = connection.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes(
            $"POST /api/v1/sandboxes HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {Gateway.Key}\r\nContent-Type: application/json\r\nContent-Length: {17 << 20}\r\n\r\n"));
        using var reader = new StreamReader(stream);

        (await reader.ReadLineAsync()).Should().Be("HTTP/1.1 413 Payload Too Large");
    }

    [Test]
    public async Task A_form_is_no_json()
    {
        using var answer = await Gateway.Http.PostAsync("/api/v1/sandboxes", new FormUrlEncodedContent([KeyValuePair.Create("cpu", "1")]));

        await ShouldBeProblem(answer, 415, "unsupported_media_type", null, "application/json");
    }

    [TestCase("0123456789abcdef0123456789abcdef")]
    [TestCase("..%2f..%2fetc")]
    [TestCase("x")]
    public async Task An_unknown_id_is_not_found_on_every_route(string id)
    {
        foreach (var (method, path, body) in RoutesOf(id))
        {
            using var request = new HttpRequestMessage(method, path) { Content = body is null ? null : JsonContent.Create(body) };
            using var answer = await Gateway.Http.SendAsync(request);
            await ShouldBeProblem(answer, 404, "sandbox_not_found", "id", "no sandbox");
        }
    }

    [Test]
    public async Task A_foreign_id_is_as_unknown_as_any()
    {
        var sandbox = await Gateway.CreateAsync();
        using var other = await Gateway.OtherOwnerAsync($"other-{Guid.NewGuid():N}");
        foreach (var (method, path, body) in RoutesOf(sandbox.Id))
        {
            using var request = new HttpRequestMessage(method, path) { Content = body is null ? null : JsonContent.Create(body) };
            using var answer = await other.SendAsync(request);
            await ShouldBeProblem(answer, 404, "sandbox_not_found", "id", "no sandbox");
        }

        (await Gateway.RunAsync(sandbox.Id, "6*7")).Result!.Results.Should().ContainSingle();
        (await other.GetStringAsync("/api/v1/sandboxes")).Should().NotContain(sandbox.Id);
    }

    [TestCase("limit=0", "limit")]
    [TestCase("limit=x", null)]
    [TestCase("state=sleeping", "state")]
    [TestCase("state=1", "state")]
    [TestCase("variant=mainframe", "variant")]
    [TestCase("tag=novalue", "tag")]
    [TestCase("cursor=zzz", "cursor")]
    public async Task A_wrong_filter_is_refused(string query, string? field)
    {
        using var answer = await Gateway.Http.GetAsync($"/api/v1/sandboxes?{query}");

        ((int)answer.StatusCode).Should().Be(400);
        if (field is not null)
        {
            (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("field").GetString().Should().Be(field);
        }
    }

    private static IEnumerable<(HttpMethod Method, string Path, object? Body)> RoutesOf(string id) =>
    [
        (HttpMethod.Get, $"/api/v1/sandboxes/{id}", null),
        (HttpMethod.Post, $"/api/v1/sandboxes/{id}/executions", new { code = "1" }),
        (HttpMethod.Get, $"/api/v1/sandboxes/{id}/executions", null),
        (HttpMethod.Get, $"/api/v1/sandboxes/{id}/executions/e", null),
        (HttpMethod.Post, $"/api/v1/sandboxes/{id}/executions/e/interrupt", null),
        (HttpMethod.Post, $"/api/v1/sandboxes/{id}/executions/e/input", new { value = "x" }),
        (HttpMethod.Post, $"/api/v1/sandboxes/{id}/restart", null),
        (HttpMethod.Post, $"/api/v1/sandboxes/{id}/pause", null),
        (HttpMethod.Post, $"/api/v1/sandboxes/{id}/resume", null),
        (HttpMethod.Post, $"/api/v1/sandboxes/{id}/packages", new { packages = new[] { "x" } }),
        (HttpMethod.Post, $"/api/v1/sandboxes/{id}/commands", new { command = "true" }),
        (HttpMethod.Get, $"/api/v1/sandboxes/{id}/commands", null),
        (HttpMethod.Get, $"/api/v1/sandboxes/{id}/commands/c", null),
        (HttpMethod.Post, $"/api/v1/sandboxes/{id}/contexts", new { }),
        (HttpMethod.Get, $"/api/v1/sandboxes/{id}/contexts", null),
        (HttpMethod.Delete, $"/api/v1/sandboxes/{id}/contexts/default", null),
        (HttpMethod.Get, $"/api/v1/sandboxes/{id}/variables", null),
        (HttpMethod.Post, $"/api/v1/sandboxes/{id}/complete", new { code = "x" }),
        (HttpMethod.Post, $"/api/v1/sandboxes/{id}/inspect", new { code = "x" }),
        (HttpMethod.Get, $"/api/v1/sandboxes/{id}/files?path=a", null),
        (HttpMethod.Get, $"/api/v1/sandboxes/{id}/usage", null),
        (HttpMethod.Get, $"/api/v1/sandboxes/{id}/events?follow=false", null),
        (HttpMethod.Get, $"/api/v1/sandboxes/{id}/network", null),
        (HttpMethod.Put, $"/api/v1/sandboxes/{id}/network", new { networkPolicy = "all" }),
        (HttpMethod.Delete, $"/api/v1/sandboxes/{id}", null),
    ];

    private static async Task ShouldBeProblem(HttpResponseMessage answer, int status, string code, string? field, string hint)
    {
        var text = await answer.Content.ReadAsStringAsync();
        ((int)answer.StatusCode).Should().Be(status, text);
        answer.Content.Headers.ContentType!.MediaType.Should().Be("application/problem+json", text);
        var problem = JsonDocument.Parse(text).RootElement;
        problem.GetProperty("code").GetString().Should().Be(code);
        problem.GetProperty("detail").GetString().Should().Contain(hint);
        text.Should().NotContainAny("System.", "   at ", "/src/");
        if (field is not null)
        {
            problem.GetProperty("field").GetString().Should().Be(field);
        }
    }
}
