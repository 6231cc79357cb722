using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using KernelGateway.Contracts.Errors;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Executions;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Server.Tests.Support;

namespace KernelGateway.Server.Tests.Api;

[Parallelizable(ParallelScope.All)]
public sealed class VariableTests
{
    private static LiveGateway Gateway => SharedGateway.Instance;

    [TestCase("local-eval")]
    [TestCase("local")]
    public async Task Values_go_in_and_come_out_and_history_and_counter_stay(string variant)
    {
        Requires.Variant(variant);

        var sandbox = await Gateway.CreateAsync(new { variant });
        const string Values = """{"n":1,"f":0.5,"t":"tëxt","l":[1,[2,null]],"d":{"a":true},"none":null,"naïve":9007199254740993}""";

        using (var set = await PutAsync(sandbox.Id, Values))
        {
            set.StatusCode.Should().Be(HttpStatusCode.NoContent, await set.Content.ReadAsStringAsync());
        }

        foreach (var expected in JsonDocument.Parse(Values).RootElement.EnumerateObject())
        {
            var value = await Gateway.Http.GetFromJsonAsync<JsonElement>($"/api/v1/sandboxes/{sandbox.Id}/variables/{expected.Name}");
            if (expected.Value.ValueKind == JsonValueKind.Null)
            {
                value.TryGetProperty("data", out _).Should().BeFalse("it is null, not something that cannot be JSON");
            }
            else
            {
                JsonElement.DeepEquals(value.GetProperty("json"), expected.Value).Should().BeTrue($"{value} is {expected}");
            }
        }

        var run = await Gateway.RunAsync(sandbox.Id, "len(In), Out, n, type(l).__name__, d['a'], none");
        run.ExecutionCount.Should().Be(1);
        run.Result!.Results[0].Data["text/plain"].GetString().Should().Be("(2, {}, 1, 'list', True, None)");
    }

    [Test]
    public async Task What_json_cannot_hold_comes_as_it_is_shown()
    {
        var sandbox = await Gateway.CreateAsync();
        await Gateway.RunAsync(sandbox.Id, "class Shown:\n    def _repr_html_(self): return '<b>x</b>'\nshown, keys, infinite, pair = Shown(), {1: 2}, float('inf'), (1, 2)");

        (await GetAsync(sandbox.Id, "shown")).Data!["text/html"].GetString().Should().Be("<b>x</b>");
        (await GetAsync(sandbox.Id, "keys")).Data!["text/plain"].GetString().Should().Be("{1: 2}");
        (await GetAsync(sandbox.Id, "infinite")).Data!["text/plain"].GetString().Should().Be("inf");
        (await GetAsync(sandbox.Id, "pair")).Data!["text/plain"].GetString().Should().Be("(1, 2)");
    }

    [Test]
    public async Task The_list_has_the_users_variables_and_looks_at_large_ones_only_a_little()
    {
        var sandbox = await Gateway.CreateAsync();
        await Gateway.RunAsync(sandbox.Id, "big = list(range(1_000_000))\n_hidden = 1\nclass Bad:\n    def __repr__(self): 1/0\n    def __len__(self): 1/0\nbad = Bad()\nlone = '\\ud800'");

        var list = (await Gateway.Http.GetFromJsonAsync<VariableList>($"/api/v1/sandboxes/{sandbox.Id}/variables"))!;

        list.Variables.Select(v => v.Name).Should().Equal("Bad", "bad", "big", "lone");
        list.Total.Should().Be(4);
        var big = list.Variables.Single(v => v.Name == "big");
        big.Type.Should().Be("list");
        big.Length.Should().Be(1_000_000);
        big.Size.Should().BeGreaterThan(1_000_000);
        big.Preview.Should().StartWith("[0, 1, 2");
        big.Preview!.Length.Should().BeLessThanOrEqualTo(200);
        list.Variables.Single(v => v.Name == "bad").Length.Should().BeNull("an object that raises is listed all the same");
    }

    [Test]
    public async Task Arrays_have_their_shape()
    {
        Requires.Module("numpy");
        Requires.Module("pandas");
        var sandbox = await Gateway.CreateAsync(new { environment = "python-scientific" });
        var made = await Gateway.RunAsync(sandbox.Id, "import numpy as np, pandas as pd\na = np.zeros((3, 4))\ndf = pd.DataFrame({'x': [1, 2]})");
        made.Status.Should().Be(ExecutionStatus.Ok);

        var list = (await Gateway.Http.GetFromJsonAsync<VariableList>($"/api/v1/sandboxes/{sandbox.Id}/variables"))!;

        list.Variables.Single(v => v.Name == "a").Shape.Should().Equal(3, 4);
        list.Variables.Single(v => v.Name == "df").Should().Match<VariableInfo>(v => v.Type == "pandas.core.frame.DataFrame" && v.Shape!.SequenceEqual(new long[] { 2, 1 }));
        (await GetAsync(sandbox.Id, "df")).Data!.Should().ContainKeys("text/plain", "text/html");
    }

    [TestCase("missing", 404, ErrorCodes.VariableNotFound)]
    [TestCase("1x", 400, ErrorCodes.InvalidArgument)]
    [TestCase("class", 400, ErrorCodes.InvalidArgument)]
    [TestCase("a.b", 400, ErrorCodes.InvalidArgument)]
    [TestCase("x%0A", 400, ErrorCodes.InvalidArgument)]
    public async Task A_name_that_is_none_or_unknown_is_refused(string name, int status, string code)
    {
        var sandbox = await Gateway.CreateAsync();

        using var answer = await Gateway.Http.GetAsync(new Uri($"/api/v1/sandboxes/{sandbox.Id}/variables/{name}", UriKind.Relative));

        ((int)answer.StatusCode).Should().Be(status);
        (await answer.Content.ReadAsStringAsync()).Should().Contain(code);
    }

    [TestCase("""{"x":1,"class":2}""")]
    [TestCase("""{"x":1,"a b":2}""")]
    [TestCase("{}")]
    [TestCase("[]")]
    public async Task Of_values_with_a_bad_name_none_is_set(string body)
    {
        var sandbox = await Gateway.CreateAsync();

        using var answer = await PutAsync(sandbox.Id, body);

        answer.StatusCode.Should().Be(HttpStatusCode.BadRequest);
        (await Gateway.Http.GetFromJsonAsync<VariableList>($"/api/v1/sandboxes/{sandbox.Id}/variables"))!.Variables.Should().BeEmpty();
    }

    [Test]
    public async Task A_value_that_is_too_large_is_refused()
    {
        await using var gateway = await LiveGateway.StartAsync(("Gateway:Sandboxes:MaxResultBytes", "1024"));
        var sandbox = await gateway.CreateAsync();
        await gateway.RunAsync(sandbox.Id, "x = 'x' * 2000");

        using var read = await gateway.Http.GetAsync(new Uri($"/api/v1/sandboxes/{sandbox.Id}/variables/x", UriKind.Relative));
        using var written = await gateway.Http.PutAsJsonAsync($"/api/v1/sandboxes/{sandbox.Id}/variables", new { y = new string('y', 2000) });

        read.StatusCode.Should().Be(HttpStatusCode.RequestEntityTooLarge);
        written.StatusCode.Should().Be(HttpStatusCode.RequestEntityTooLarge);
    }

    [Test]
    public async Task A_busy_kernel_is_a_conflict_at_once_or_after_the_time_of_a_question()
    {
        await using var gateway = await LiveGateway.StartAsync(("Gateway:Sandboxes:QuestionTimeout", "00:00:01"));
        var sandbox = await gateway.CreateAsync();
        using var started = await gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandbox.Id}/executions", new { code = "print('begun')\nimport time; time.sleep(600)" });
        await gateway.Http.WaitForAsync<OutputEvent>(sandbox.Id, 0);

        using var atOnce = await gateway.Http.GetAsync(new Uri($"/api/v1/sandboxes/{sandbox.Id}/variables?wait=false", UriKind.Relative));
        using var later = await gateway.Http.GetAsync(new Uri($"/api/v1/sandboxes/{sandbox.Id}/variables", UriKind.Relative));
        using var completed = await gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandbox.Id}/complete", new { code = "pri" });
        using var inspected = await gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandbox.Id}/inspect", new { code = "print" });

        atOnce.StatusCode.Should().Be(HttpStatusCode.Conflict);
        (await atOnce.Content.ReadAsStringAsync()).Should().Contain("runs code");
        foreach (var answer in new[] { later, completed, inspected })
        {
            answer.StatusCode.Should().Be(HttpStatusCode.Conflict);
            (await answer.Content.ReadAsStringAsync()).Should().Contain("within 1 s");
        }
    }

    [Test]
    public async Task Code_is_completed_and_inspected()
    {
        var sandbox = await Gateway.CreateAsync();
        await Gateway.RunAsync(sandbox.Id, "value_of_mine = 1");

        using var completed = await Gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandbox.Id}/complete", new { code = "😀 = value_of" });
        var completion = (await completed.Content.ReadFromJsonAsync<CompleteResult>())!;
        completion.Matches.Should().Contain("value_of_mine");
        (completion.CursorStart, completion.CursorEnd).Should().Be((4, 12));
        using var inspected = await Gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandbox.Id}/inspect", new { code = "len" });
        var found = (await inspected.Content.ReadFromJsonAsync<InspectResult>())!;
        found.Found.Should().BeTrue();
        found.Data["text/plain"].GetString().Should().Contain("number of items");
        using var unknown = await Gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandbox.Id}/inspect", new { code = "nothing_of_that_name" });
        (await unknown.Content.ReadFromJsonAsync<InspectResult>())!.Found.Should().BeFalse();
    }

    [TestCase("complete", """{"code":"ab","cursor":3}""", "cursor")]
    [TestCase("complete", """{"code":"ab","cursor":-1}""", "cursor")]
    [TestCase("inspect", """{"code":"ab","detail":2}""", "detail")]
    [TestCase("inspect", """{"code":null}""", "code")]
    public async Task A_bad_question_about_code_is_refused_by_name(string what, string body, string field)
    {
        var sandbox = await Gateway.CreateAsync();

        using var answer = await Gateway.Http.PostAsync(new Uri($"/api/v1/sandboxes/{sandbox.Id}/{what}", UriKind.Relative), new StringContent(body, Encoding.UTF8, "application/json"));

        answer.StatusCode.Should().Be(HttpStatusCode.BadRequest);
        (await answer.Content.ReadAsStringAsync()).Should().Contain(field);
    }

    private static Task<HttpResponseMessage> PutAsync(string sandboxId, string body) => Gateway.Http.PutAsync(
        new Uri($"/api/v1/sandboxes/{sandboxId}/variables", UriKind.Relative), new StringContent(body, Encoding.UTF8, "application/json"));

    private static async Task<VariableValue> GetAsync(string sandboxId, string name) =>
        (await Gateway.Http.GetFromJsonAsync<VariableValue>($"/api/v1/sandboxes/{sandboxId}/variables/{name}"))!;
}
