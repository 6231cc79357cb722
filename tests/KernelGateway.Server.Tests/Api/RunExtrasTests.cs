using System.Net;
using System.Net.Http.Json;
using KernelGateway.Contracts;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Executions;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Server.Tests.Support;

namespace KernelGateway.Server.Tests.Api;

[Parallelizable(ParallelScope.All)]
public sealed class RunExtrasTests
{
    private static LiveGateway Gateway => SharedGateway.Instance;

    [TestCase("import sys; sys.exit(3)", 3, ExecutionStatus.Error)]
    [TestCase("import sys; sys.exit('no')", 1, ExecutionStatus.Error)]
    [TestCase("import sys; sys.exit()", 0, ExecutionStatus.Ok)]
    [TestCase("import sys; sys.exit(0)", 0, ExecutionStatus.Ok)]
    [TestCase("1", null, ExecutionStatus.Ok)]
    [TestCase("1/0", null, ExecutionStatus.Error)]
    public async Task An_exit_gives_its_code_and_with_nought_it_is_a_success(string code, int? exitCode, ExecutionStatus status)
    {
        var sandbox = await Gateway.CreateAsync();

        var run = await Gateway.RunAsync(sandbox.Id, code);

        run.ExitCode.Should().Be(exitCode);
        run.Status.Should().Be(status);
        (run.Result!.Error is null).Should().Be(status == ExecutionStatus.Ok);
        var finished = await Gateway.Http.WaitForAsync<ExecutionFinishedEvent>(sandbox.Id, 0);
        finished.ExitCode.Should().Be(exitCode);
        (await Gateway.RunAsync(sandbox.Id, "6*7")).Status.Should().Be(ExecutionStatus.Ok, "the kernel goes on");
    }

    [Test]
    public async Task The_event_of_the_end_says_how_much_was_put_out()
    {
        var sandbox = await Gateway.CreateAsync();

        var run = await Gateway.RunAsync(sandbox.Id, "print('some text')");

        run.Output.Messages.Should().Be(1);
        (await Gateway.Http.WaitForAsync<ExecutionFinishedEvent>(sandbox.Id, 0)).Output.Should().Be(run.Output);
    }

    [TestCase("import os; os.environ.get('ONE')", "local-eval")]
    [TestCase("import os; os.environ.get('ONE')", "local")]
    public async Task Variables_of_one_run_are_there_and_gone_with_it(string look, string variant)
    {
        Requires.Variant(variant);

        var sandbox = await Gateway.CreateAsync(new { variant, env = new Dictionary<string, string> { ["HAD"] = "before" } });
        var env = new Dictionary<string, string> { ["ONE"] = "1", ["HAD"] = "now" };

        (await RunAsync(sandbox.Id, "import os, subprocess; os.environ['ONE'], os.environ['HAD'], subprocess.run(['sh', '-c', 'echo $ONE'], capture_output=True, text=True).stdout", env))
            .Result!.Results[0].Data["text/plain"].GetString().Should().Be("('1', 'now', '1\\n')");
        await NothingIsLeftAsync();
        (await RunAsync(sandbox.Id, "1/0", env)).Status.Should().Be(ExecutionStatus.Error);
        await NothingIsLeftAsync();
        (await RunAsync(sandbox.Id, "del os.environ['ONE']; os.environ['HAD'] = 'changed'", env)).Status.Should().Be(ExecutionStatus.Ok);
        await NothingIsLeftAsync();
        (await Gateway.RunAsync(sandbox.Id, "In")).Result!.Results[0].Data["text/plain"].GetString().Should().NotContain("'now'");

        async Task NothingIsLeftAsync()
        {
            (await Gateway.RunAsync(sandbox.Id, look)).Result!.Results.Should().BeEmpty("it is None again");
            (await Gateway.RunAsync(sandbox.Id, "os.environ['HAD']")).Result!.Results[0].Data["text/plain"].GetString().Should().Be("'before'");
        }
    }

    [Test]
    public async Task Variables_of_an_interrupted_run_are_gone_too()
    {
        var sandbox = await Gateway.CreateAsync();
        using var answer = await Gateway.Http.PostAsJsonAsync(
            $"/api/v1/sandboxes/{sandbox.Id}/executions", new { code = "import os; print(os.environ['ONE'])\nwhile True: pass", env = new Dictionary<string, string> { ["ONE"] = "1" } });
        var run = (await answer.Content.ReadFromJsonAsync<ExecutionInfo>())!;
        (await Gateway.Http.WaitForAsync<OutputEvent>(sandbox.Id, 0)).Text.Should().Be("1\n");

        using var interrupted = await Gateway.Http.PostAsync(new Uri($"/api/v1/sandboxes/{sandbox.Id}/executions/{run.Id}/interrupt", UriKind.Relative), null);

        (await Gateway.Http.WaitForAsync<ExecutionFinishedEvent>(sandbox.Id, 0)).Status.Should().Be(ExecutionStatus.Interrupted);
        (await Gateway.RunAsync(sandbox.Id, "'ONE' in os.environ")).Result!.Results[0].Data["text/plain"].GetString().Should().Be("False");
    }

    [TestCase("A=B")]
    [TestCase("")]
    public async Task A_bad_name_of_a_variable_is_refused(string name)
    {
        var sandbox = await Gateway.CreateAsync();

        using var answer = await Gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandbox.Id}/executions", new { code = "1", env = new Dictionary<string, string> { [name] = "x" } });

        answer.StatusCode.Should().Be(HttpStatusCode.BadRequest);
        (await answer.Content.ReadAsStringAsync()).Should().Contain("env");
    }

    [Test]
    public async Task A_run_whose_end_was_lost_in_a_spoiled_log_ends_and_the_next_one_runs()
    {
        var sandbox = await Gateway.CreateAsync();

        // Garbage in the segment being written: everything after it is lost until the next segment.
        const string Spoil = """
            import glob, os
            held = [os.readlink(f'/proc/self/fd/{fd}') for fd in os.listdir('/proc/self/fd') if os.path.exists(f'/proc/self/fd/{fd}')]
            log = max(name for name in held if name.endswith('.seg'))
            open(log, 'ab').write(b'\xff' * 64)
            """;
        var run = await Gateway.RunAsync(sandbox.Id, Spoil);

        run.Status.Should().Be(ExecutionStatus.Error);
        run.ReasonCode.Should().Be(ReasonCodes.Lost);
        run.Reason.Should().Contain("end was lost");
        (await Gateway.Http.AllAsync(sandbox.Id)).OfType<GapEvent>().Should().NotBeEmpty();
        (await Gateway.RunAsync(sandbox.Id, "x = 1")).FinishedAt.Should().NotBeNull("what follows in the same segment is lost too, and ends all the same");
        (await Gateway.RunAsync(sandbox.Id, "for i in range(200): print('x' * 60000)")).FinishedAt.Should().NotBeNull();
        var healed = await Gateway.RunAsync(sandbox.Id, "x");
        healed.Status.Should().Be(ExecutionStatus.Ok, "a new segment is sound");
        healed.Result!.Results[0].Data["text/plain"].GetString().Should().Be("1");
    }

    [TestCase("local-eval")]
    [TestCase("local")]
    public async Task Tables_and_charts_come_as_data_beside_their_usual_forms(string variant)
    {
        Requires.Variant(variant);
        Requires.Module("pandas");

        var sandbox = await Gateway.CreateAsync(new { variant, environment = "python-scientific" });
        (await Gateway.RunAsync(sandbox.Id, "import sys; [m for m in ('pandas', 'matplotlib', 'numpy') if m in sys.modules]")).Result!.Results[0].Text.Should().Be("[]", "nothing is imported for it");
        var made = await Gateway.RunAsync(sandbox.Id, "import pandas as pd\npd.DataFrame({'a': [1, 2], 'b': [0.5, float('nan')], 's': ['x', None]})");
        made.Status.Should().Be(ExecutionStatus.Ok);

        made.Result!.Results[0].Html.Should().Contain("<table");
        var table = made.Result.Results[0].Data["application/vnd.kernelgateway.data+json"];
        table.GetProperty("columns").EnumerateArray().Select(c => c.GetString()).Should().Equal("a", "b", "s");
        table.GetProperty("dtypes").EnumerateArray().Select(c => c.GetString()).Should().Equal("int64", "float64", "object");
        table.GetProperty("rows").GetRawText().Replace(" ", "", StringComparison.Ordinal).Should().Be("[[1,0.5,\"x\"],[2,null,null]]");
        var large = await Gateway.RunAsync(sandbox.Id, "pd.DataFrame({str(n): ['x' * 5000] * 5000 for n in range(200)})");
        var cut = large.Result!.Results[0].Data["application/vnd.kernelgateway.data+json"];
        cut.GetProperty("truncated").GetBoolean().Should().BeTrue();
        cut.GetProperty("shape")[0].GetInt32().Should().Be(5000);
        cut.GetRawText().Length.Should().BeLessThan(2 << 20);
        var drawn = await Gateway.RunAsync(sandbox.Id, "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.bar(['p', 'q'], [3, 4])\nplt.title('T')\nplt.xlabel('X')\nplt.show()");
        drawn.Status.Should().Be(ExecutionStatus.Ok, drawn.Result?.Error?.Value);
        var figure = drawn.Result!.Results.Single(r => r.Png is not null);
        var chart = figure.Data["application/vnd.kernelgateway.chart+json"].GetProperty("charts")[0];
        chart.GetProperty("type").GetString().Should().Be("bar");
        chart.GetProperty("title").GetString().Should().Be("T");
        chart.GetProperty("series")[0].GetProperty("x").EnumerateArray().Select(x => x.GetString()).Should().Equal("p", "q");
        chart.GetProperty("series")[0].GetProperty("y").EnumerateArray().Select(y => y.GetInt32()).Should().Equal(3, 4);
    }

    private static async Task<ExecutionInfo> RunAsync(string sandboxId, string code, IReadOnlyDictionary<string, string> env)
    {
        using var answer = await Gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandboxId}/executions?wait=true", new { code, env });
        answer.IsSuccessStatusCode.Should().BeTrue(await answer.Content.ReadAsStringAsync());
        return (await answer.Content.ReadFromJsonAsync<ExecutionInfo>())!;
    }
}
