using System.Net;
using System.Net.Http.Json;
using KernelGateway.Contracts;
using KernelGateway.Contracts.Errors;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Executions;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Server.Tests.Support;

namespace KernelGateway.Server.Tests.Api;

[Parallelizable(ParallelScope.All)]
public sealed class ContextTests
{
    private static LiveGateway Gateway => SharedGateway.Instance;

    [TestCase("local-eval")]
    [TestCase("local")]
    public async Task Each_context_has_its_own_names_folder_and_variables_and_shares_the_files(string variant)
    {
        Requires.Variant(variant);

        var sandbox = await Gateway.CreateAsync(new { variant, env = new Dictionary<string, string> { ["SHARED"] = "s", ["OWN"] = "sandbox" } });
        await RunAsync(sandbox.Id, null, "x = 1\nimport os; os.mkdir('sub'); open('sub/file', 'w').write('text')");

        var context = await CreateAsync(sandbox.Id, new { name = "second", cwd = "sub", env = new Dictionary<string, string> { ["OWN"] = "context" } });

        context.Name.Should().Be("second");
        context.Cwd.Should().Be("sub");
        context.State.Should().Be(KernelState.Idle);
        (await RunAsync(sandbox.Id, context.Id, "import os; 'x' in globals(), open('file').read(), os.environ['SHARED'], os.environ['OWN']")).Should().Be("(False, 'text', 's', 'context')");
        (await RunAsync(sandbox.Id, null, "x, os.environ['OWN']")).Should().Be("(1, 'sandbox')");
        var listed = await Gateway.Http.GetFromJsonAsync<List<ContextInfo>>($"/api/v1/sandboxes/{sandbox.Id}/contexts");
        listed!.Select(c => c.Id).Should().Equal("default", context.Id);
    }

    [Test]
    public async Task Contexts_run_at_the_same_time()
    {
        var sandbox = await Gateway.CreateAsync();
        var context = await CreateAsync(sandbox.Id, new { });

        // Each waits for what only the other one does.
        const string Meet = "import os, time\nopen('{0}', 'w').close()\nwhile not os.path.exists('{1}'): time.sleep(0.01)\n'met'";
        var both = await Task.WhenAll(
            RunAsync(sandbox.Id, null, Meet.Replace("{0}", "a", StringComparison.Ordinal).Replace("{1}", "b", StringComparison.Ordinal)),
            RunAsync(sandbox.Id, context.Id, Meet.Replace("{0}", "b", StringComparison.Ordinal).Replace("{1}", "a", StringComparison.Ordinal)));

        both.Should().Equal("'met'", "'met'");
    }

    [Test]
    public async Task The_death_and_the_restart_of_one_kernel_leave_the_others_alone()
    {
        var sandbox = await Gateway.CreateAsync();
        var context = await CreateAsync(sandbox.Id, new { cwd = "/tmp", env = new Dictionary<string, string> { ["OWN"] = "kept" } });
        await RunAsync(sandbox.Id, null, "x = 1");

        (await RunInAsync(sandbox.Id, context.Id, "import os; os._exit(3)")).Status.Should().Be(ExecutionStatus.KernelDied);

        (await RunAsync(sandbox.Id, null, "x")).Should().Be("1");
        (await GetAsync(sandbox.Id, context.Id)).State.Should().Be(KernelState.Dead);
        using (var answer = await Gateway.Http.PostAsync(new Uri($"/api/v1/sandboxes/{sandbox.Id}/contexts/{context.Id}/restart", UriKind.Relative), null))
        {
            answer.StatusCode.Should().Be(HttpStatusCode.OK, await answer.Content.ReadAsStringAsync());
        }

        (await RunAsync(sandbox.Id, context.Id, "import os; os.getcwd(), os.environ['OWN']")).Should().Be("('/tmp', 'kept')");
        (await RunAsync(sandbox.Id, null, "x")).Should().Be("1");
    }

    [Test]
    public async Task A_removed_context_is_gone_with_its_process_and_its_executions_can_be_read()
    {
        var sandbox = await Gateway.CreateAsync();
        var context = await CreateAsync(sandbox.Id, new { });
        var run = await RunInAsync(sandbox.Id, context.Id, "import os; os.getpid()");
        var pid = run.Result!.Results[0].Data["text/plain"].GetString()!;
        using var started = await PostAsync(sandbox.Id, new { code = "print('begun')\nimport time; time.sleep(600)", contextId = context.Id }, wait: false);
        var endless = (await started.Content.ReadFromJsonAsync<ExecutionInfo>())!;
        await Gateway.Http.WaitForAsync<OutputEvent>(sandbox.Id, endless.FirstSequence - 1);

        using (var removed = await DeleteAsync(sandbox.Id, context.Id))
        {
            removed.StatusCode.Should().Be(HttpStatusCode.NoContent, await removed.Content.ReadAsStringAsync());
        }

        Directory.Exists($"/proc/{pid}").Should().BeFalse("its kernel is killed");
        var ended = await Gateway.Http.GetFromJsonAsync<ExecutionInfo>($"/api/v1/sandboxes/{sandbox.Id}/executions/{endless.Id}");
        ended!.Status.Should().Be(ExecutionStatus.Cancelled);
        ended.ReasonCode.Should().Be(ReasonCodes.Removed);
        ended.Result!.Stdout.Should().Be("begun\n");
        using var again = await DeleteAsync(sandbox.Id, context.Id);
        again.StatusCode.Should().Be(HttpStatusCode.NotFound);
        using var refused = await PostAsync(sandbox.Id, new { code = "1", contextId = context.Id }, wait: true);
        (await refused.Content.ReadAsStringAsync()).Should().Contain(ErrorCodes.ContextNotFound);
    }

    [Test]
    public async Task The_default_context_cannot_be_removed()
    {
        var sandbox = await Gateway.CreateAsync();

        using var answer = await DeleteAsync(sandbox.Id, "default");

        answer.StatusCode.Should().Be(HttpStatusCode.Conflict);
        (await answer.Content.ReadAsStringAsync()).Should().Contain("Restart it");
        (await RunAsync(sandbox.Id, null, "6*7")).Should().Be("42");
    }

    [Test]
    public async Task There_are_only_as_many_contexts_as_are_configured()
    {
        await using var gateway = await LiveGateway.StartAsync(("Gateway:Sandboxes:MaxContexts", "2"));
        var sandbox = await gateway.CreateAsync();
        using var second = await gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandbox.Id}/contexts", new { });
        second.StatusCode.Should().Be(HttpStatusCode.Created);

        using var third = await gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandbox.Id}/contexts", new { });

        third.StatusCode.Should().Be(HttpStatusCode.TooManyRequests);
        (await third.Content.ReadAsStringAsync()).Should().Contain("MaxContexts");
    }

    [TestCase("""{"name":""}""", "name")]
    [TestCase("""{"name":"a\nb"}""", "name")]
    [TestCase("""{"cwd":""}""", "cwd")]
    [TestCase("""{"cwd":"a\u0000b"}""", "cwd")]
    [TestCase("""{"env":{"1X":"y"}}""", "env")]
    [TestCase("""{"env":{"X":"y\u0000"}}""", "env")]
    [TestCase("""{"kernel":"julia"}""", "python3")]
    [TestCase("""{"language":"cobol"}""", "It speaks: python")]
    [TestCase("""{"kernel":"python3","language":"python"}""", "kernel")]
    public async Task A_bad_request_is_refused_by_name_and_makes_nothing(string body, string says)
    {
        var sandbox = await Gateway.CreateAsync();

        using var answer = await Gateway.Http.PostAsync(
            new Uri($"/api/v1/sandboxes/{sandbox.Id}/contexts", UriKind.Relative), new StringContent(body, System.Text.Encoding.UTF8, "application/json"));

        answer.StatusCode.Should().Be(HttpStatusCode.BadRequest);
        (await answer.Content.ReadAsStringAsync()).Should().Contain(says);
        (await Gateway.Http.GetFromJsonAsync<List<ContextInfo>>($"/api/v1/sandboxes/{sandbox.Id}/contexts")).Should().ContainSingle();
    }

    [Test]
    public async Task A_folder_that_is_not_there_is_named_and_nothing_is_left()
    {
        var sandbox = await Gateway.CreateAsync();

        using var answer = await Gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandbox.Id}/contexts", new { cwd = "missing" });

        answer.IsSuccessStatusCode.Should().BeFalse();
        (await answer.Content.ReadAsStringAsync()).Should().Contain("missing");
        (await Gateway.Http.GetFromJsonAsync<List<ContextInfo>>($"/api/v1/sandboxes/{sandbox.Id}/contexts")).Should().ContainSingle();
    }

    [Test]
    public async Task A_language_chooses_its_context_and_an_unknown_one_is_refused_with_the_list()
    {
        var sandbox = await Gateway.CreateAsync();
        await RunAsync(sandbox.Id, null, "x = 5");

        using var known = await PostAsync(sandbox.Id, new { code = "x", language = "Python" }, wait: true);
        (await known.Content.ReadFromJsonAsync<ExecutionInfo>())!.Result!.Results[0].Data["text/plain"].GetString().Should().Be("5");
        using var unknown = await PostAsync(sandbox.Id, new { code = "x", language = "cobol" }, wait: true);
        unknown.StatusCode.Should().Be(HttpStatusCode.BadRequest);
        (await unknown.Content.ReadAsStringAsync()).Should().Contain("It speaks: python");
        using var both = await PostAsync(sandbox.Id, new { code = "x", language = "python", contextId = "default" }, wait: true);
        both.StatusCode.Should().Be(HttpStatusCode.BadRequest);
    }

    private static async Task<ContextInfo> CreateAsync(string sandboxId, object request)
    {
        using var answer = await Gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandboxId}/contexts", request);
        answer.StatusCode.Should().Be(HttpStatusCode.Created, await answer.Content.ReadAsStringAsync());
        return (await answer.Content.ReadFromJsonAsync<ContextInfo>())!;
    }

    private static async Task<ContextInfo> GetAsync(string sandboxId, string contextId) =>
        (await Gateway.Http.GetFromJsonAsync<ContextInfo>($"/api/v1/sandboxes/{sandboxId}/contexts/{contextId}"))!;

    private static Task<HttpResponseMessage> DeleteAsync(string sandboxId, string contextId) =>
        Gateway.Http.DeleteAsync(new Uri($"/api/v1/sandboxes/{sandboxId}/contexts/{contextId}", UriKind.Relative));

    private static Task<HttpResponseMessage> PostAsync(string sandboxId, object request, bool wait) =>
        Gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandboxId}/executions?wait={(wait ? "true" : "false")}", request);

    private static async Task<ExecutionInfo> RunInAsync(string sandboxId, string? contextId, string code)
    {
        using var answer = await PostAsync(sandboxId, new { code, contextId }, wait: true);
        answer.StatusCode.Should().Be(HttpStatusCode.OK, await answer.Content.ReadAsStringAsync());
        return (await answer.Content.ReadFromJsonAsync<ExecutionInfo>())!;
    }

    /// <summary>The last value as text.</summary>
    private static async Task<string?> RunAsync(string sandboxId, string? contextId, string code)
    {
        var run = await RunInAsync(sandboxId, contextId, code);
        run.Status.Should().Be(ExecutionStatus.Ok, run.Result?.Error?.Value);
        return run.Result!.Results.Count > 0 ? run.Result.Results[^1].Data["text/plain"].GetString() : null;
    }
}
