using System.Net;
using System.Net.Http.Json;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Executions;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Server.Tests.Support;

namespace KernelGateway.Server.Tests.Api;

/// <summary>A kernel of others, without our launcher and its log.</summary>
[TestFixture("local-eval")]
[TestFixture("local")]
public sealed class RKernelTests(string variant)
{
    private static LiveGateway Gateway => SharedGateway.Instance;

    [SetUp]
    public void NeedsR()
    {
        Requires.Program("/usr/lib/R/bin/exec/R");
        Requires.Variant(variant);
    }

    [Test]
    public async Task R_prints_returns_fails_and_keeps_its_variables()
    {
        var sandbox = await Gateway.CreateAsync(new { variant, environment = "r-env" });

        var run = await Gateway.RunAsync(sandbox.Id, "x <- 41\ncat('printed\\n')\nmessage('said')\nx + 1");

        run.Status.Should().Be(ExecutionStatus.Ok, run.Result?.Error?.Value);
        run.Result!.Stdout.Should().Be("printed\n");
        run.Result.Stderr.Should().Contain("said");
        run.Result.Results.Should().ContainSingle().Which.Data["text/plain"].GetString().Should().Be("[1] 42");
        var failed = await Gateway.RunAsync(sandbox.Id, "stop('no luck')");
        failed.Status.Should().Be(ExecutionStatus.Error);
        failed.Result!.Error!.Value.Should().Contain("no luck");
        (await Gateway.RunAsync(sandbox.Id, "x")).Result!.Results[0].Data["text/plain"].GetString().Should().Be("[1] 41");
    }

    [Test]
    public async Task R_streams_while_it_runs_and_can_be_interrupted_and_restarted()
    {
        var sandbox = await Gateway.CreateAsync(new { variant, environment = "r-env" });
        using var started = await Gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandbox.Id}/executions", new { code = "kept <- 1\ncat('begun\\n'); flush.console()\nrepeat Sys.sleep(0.05)" });
        var run = (await started.Content.ReadFromJsonAsync<ExecutionInfo>())!;
        (await Gateway.Http.WaitForAsync<OutputEvent>(sandbox.Id, 0)).Text.Should().Be("begun\n");

        using var interrupted = await Gateway.Http.PostAsync(new Uri($"/api/v1/sandboxes/{sandbox.Id}/executions/{run.Id}/interrupt", UriKind.Relative), null);

        (await Gateway.Http.WaitForAsync<ExecutionFinishedEvent>(sandbox.Id, 0)).Status.Should().Be(ExecutionStatus.Interrupted);
        (await Gateway.RunAsync(sandbox.Id, "kept")).Result!.Results[0].Data["text/plain"].GetString().Should().Be("[1] 1");
        using var restarted = await Gateway.Http.PostAsync(new Uri($"/api/v1/sandboxes/{sandbox.Id}/restart", UriKind.Relative), null);
        restarted.StatusCode.Should().Be(HttpStatusCode.OK);
        (await Gateway.RunAsync(sandbox.Id, "exists('kept')")).Result!.Results[0].Data["text/plain"].GetString().Should().Be("[1] FALSE");
    }

    [Test]
    public async Task Another_language_of_the_environment_gets_a_context_of_its_own_on_the_first_use()
    {
        var sandbox = await Gateway.CreateAsync(new { variant, environment = "r-env" });

        (await RunAsync(sandbox.Id, new { code = "x = 'p'; x", language = "python" })).Result!.Results[0].Data["text/plain"].GetString().Should().Be("'p'");
        (await RunAsync(sandbox.Id, new { code = "x <- 'r'; x", language = "R" })).Result!.Results[0].Data["text/plain"].GetString().Should().Be("[1] \"r\"");
        (await RunAsync(sandbox.Id, new { code = "x", language = "python" })).Result!.Results[0].Data["text/plain"].GetString().Should().Be("'p'");

        var contexts = await Gateway.Http.GetFromJsonAsync<List<ContextInfo>>($"/api/v1/sandboxes/{sandbox.Id}/contexts");
        contexts!.Select(c => (c.Id, c.Language)).Should().Equal(("default", "r"), ("python", "python"));
    }

    [Test]
    public async Task What_needs_our_launcher_is_refused()
    {
        var sandbox = await Gateway.CreateAsync(new { variant, environment = "r-env" });

        using var env = await Gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandbox.Id}/executions", new { code = "1", env = new { A = "b" } });
        using var variables = await Gateway.Http.GetAsync(new Uri($"/api/v1/sandboxes/{sandbox.Id}/variables", UriKind.Relative));

        foreach (var answer in new[] { env, variables })
        {
            answer.StatusCode.Should().Be(HttpStatusCode.BadRequest);
            (await answer.Content.ReadAsStringAsync()).Should().Contain("not_supported");
        }
    }

    private static async Task<ExecutionInfo> RunAsync(string sandboxId, object request)
    {
        using var answer = await Gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandboxId}/executions?wait=true", request);
        answer.IsSuccessStatusCode.Should().BeTrue(await answer.Content.ReadAsStringAsync());
        return (await answer.Content.ReadFromJsonAsync<ExecutionInfo>())!;
    }
}
