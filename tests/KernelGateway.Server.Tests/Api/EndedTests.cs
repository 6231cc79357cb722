using System.Net.Http.Json;
using System.Text.Json;
using KernelGateway.Contracts.Executions;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Server.Tests.Support;

namespace KernelGateway.Server.Tests.Api;

/// <summary>What is asked of a sandbox that has ended, or for what it does not have.</summary>
[CancelAfter(60_000)]
public sealed class EndedTests
{
    private static LiveGateway Gateway => SharedGateway.Instance;

    private static readonly (string Method, string Path, string? Body)[] Uses =
    [
        ("POST", "/executions", """{"code":"1"}"""),
        ("POST", "/commands", """{"command":"true"}"""),
        ("POST", "/system-packages", """{"packages":["curl"]}"""),
        ("POST", "/contexts", "{}"),
        ("DELETE", "/contexts/other", null),
        ("POST", "/restart", "{}"),
        ("POST", "/pause", null),
        ("POST", "/resume", null),
        ("PATCH", "", """{"name":"new"}"""),
        ("GET", "/usage", null),
        ("GET", "/variables", null),
        ("GET", "/variables/x", null),
        ("PUT", "/variables", """{"x":1}"""),
        ("POST", "/complete", """{"code":"x"}"""),
        ("POST", "/inspect", """{"code":"x"}"""),
        ("GET", "/files?path=.", null),
        ("PUT", "/files/content?path=a", "x"),
    ];

    [Test]
    public async Task Nothing_can_be_done_with_one_that_has_ended_but_reading_what_it_said()
    {
        var sandbox = await Gateway.CreateAsync();
        var run = await Gateway.RunAsync(sandbox.Id, "print('hello')");
        foreach (var grace in new[] { 1, 0, 1 })
        {
            using var ended = await Gateway.Http.DeleteAsync(new Uri($"/api/v1/sandboxes/{sandbox.Id}?graceSeconds={grace}", UriKind.Relative));
            ((int)ended.StatusCode).Should().Be(204, "ending it twice is no error");
        }

        foreach (var (method, path, body) in Uses)
        {
            var (status, problem) = await SendAsync(method, $"/api/v1/sandboxes/{sandbox.Id}{path}", body);
            status.Should().Be(409, $"{method} {path}: {problem}");
            problem.Should().Contain("conflict").And.MatchRegex("terminated|ended", $"of {method} {path}");
        }

        (await Gateway.Http.GetFromJsonAsync<ExecutionInfo>($"/api/v1/sandboxes/{sandbox.Id}/executions/{run.Id}"))!.Result!.Stdout.Should().Be("hello\n");
        (await Gateway.Http.AllAsync(sandbox.Id)).Should().NotBeEmpty();
        (await Gateway.Http.GetFromJsonAsync<SandboxInfo>($"/api/v1/sandboxes/{sandbox.Id}"))!.StateReason.Should().NotBeNull();
    }

    [TestCase("GET", "/executions/none", null, "execution_not_found", "executionId")]
    [TestCase("POST", "/executions/none/interrupt", null, "execution_not_found", "executionId")]
    [TestCase("POST", "/executions/none/input", """{"value":"x"}""", "execution_not_found", "executionId")]
    [TestCase("GET", "/commands/none", null, "command_not_found", "commandId")]
    [TestCase("POST", "/commands/none/stdin", """{"text":"x"}""", "command_not_found", "commandId")]
    [TestCase("POST", "/commands/none/signal", """{"signal":"INT"}""", "command_not_found", "commandId")]
    [TestCase("POST", "/commands/none/kill", null, "command_not_found", "commandId")]
    [TestCase("POST", "/commands/none/resize", """{"columns":10,"rows":10}""", "command_not_found", "commandId")]
    [TestCase("POST", "/executions", """{"code":"1","contextId":"none"}""", "context_not_found", "contextId")]
    [TestCase("POST", "/restart", """{"contextId":"none"}""", "context_not_found", "contextId")]
    [TestCase("DELETE", "/contexts/none", null, "context_not_found", "contextId")]
    [TestCase("GET", "/variables?contextId=none", null, "context_not_found", "contextId")]
    [TestCase("POST", "/complete", """{"code":"x","contextId":"none"}""", "context_not_found", "contextId")]
    [TestCase("POST", "/inspect", """{"code":"x","contextId":"none"}""", "context_not_found", "contextId")]
    public async Task What_there_is_not_is_not_found_by_name(string method, string path, string? body, string code, string field)
    {
        var (status, problem) = await SendAsync(method, $"/api/v1/sandboxes/{await LiveAsync()}{path}", body);

        status.Should().Be(404, problem);
        var read = JsonDocument.Parse(problem).RootElement;
        read.GetProperty("code").GetString().Should().Be(code);
        read.GetProperty("field").GetString().Should().Be(field);
    }

    [TestCase("""{"timeoutSeconds":-1}""", "timeoutSeconds")]
    [TestCase("""{"idleTimeoutSeconds":-0.5}""", "idleTimeoutSeconds")]
    [TestCase("""{"lifetimeSeconds":-1}""", "lifetimeSeconds")]
    [TestCase("""{"expiresInSeconds":-1}""", "expiresInSeconds")]
    [TestCase("""{"name":"a\nb"}""", "name")]
    [TestCase("""{"tags":{"":"x"}}""", "tags")]
    public async Task A_wrong_change_is_refused_by_name(string body, string field)
    {
        var (status, problem) = await SendAsync("PATCH", $"/api/v1/sandboxes/{await LiveAsync()}", body);

        status.Should().Be(400, problem);
        problem.Should().Contain(field);
    }

    [TestCase("-1")]
    [TestCase("61")]
    [TestCase("NaN")]
    public async Task A_wrong_grace_is_refused(string grace)
    {
        var (status, problem) = await SendAsync("DELETE", $"/api/v1/sandboxes/{await LiveAsync()}?graceSeconds={grace}", null);

        status.Should().Be(400, problem);
        problem.Should().Contain("graceSeconds");
    }

    private static string? s_live;

    private static async Task<string> LiveAsync() => s_live ??= (await Gateway.CreateAsync()).Id;

    private static async Task<(int Status, string Body)> SendAsync(string method, string path, string? body)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path)
        {
            Content = body is null ? null : new StringContent(body, System.Text.Encoding.UTF8, path.Contains("/files/", StringComparison.Ordinal) ? "application/octet-stream" : "application/json"),
        };
        using var answer = await Gateway.Http.SendAsync(request);
        return ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }
}
