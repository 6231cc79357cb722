using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Executions;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Server.Tests.Support;

namespace KernelGateway.Server.Tests.Api;

[Parallelizable(ParallelScope.All)]
public sealed class EventStreamTests
{
    private static LiveGateway Gateway => SharedGateway.Instance;

    [Test]
    public async Task Numbers_begin_at_one_rise_by_one_and_are_the_same_for_every_reader()
    {
        var sandbox = await Gateway.CreateAsync();
        await Gateway.RunAsync(sandbox.Id, "for i in range(50): print(i, flush=True)");

        var one = await Gateway.Http.AllAsync(sandbox.Id);
        var other = await Gateway.Http.AllAsync(sandbox.Id);

        one.Select(e => e.Sequence).Should().Equal(Enumerable.Range(1, one.Count).Select(n => (long)n));
        other.Select(e => JsonSerializer.Serialize(e, JsonSerializerOptions.Web)).Should().Equal(one.Select(e => JsonSerializer.Serialize(e, JsonSerializerOptions.Web)));
        string.Concat(one.OfType<OutputEvent>().Select(e => e.Text)).Should().Be(string.Concat(Enumerable.Range(0, 50).Select(i => $"{i}\n")));
    }

    [Test]
    public async Task Reading_after_any_number_gives_exactly_the_rest()
    {
        var sandbox = await Gateway.CreateAsync();
        await Gateway.RunAsync(sandbox.Id, "for i in range(10): print(i, flush=True)");
        var all = await Gateway.Http.AllAsync(sandbox.Id);

        foreach (var after in all.Select(e => e.Sequence))
        {
            (await Gateway.Http.AllAsync(sandbox.Id, after)).Select(e => e.Sequence).Should().Equal(all.Select(e => e.Sequence).Where(s => s > after));
        }
    }

    [Test]
    public async Task Lines_arrive_while_the_run_goes_on()
    {
        var sandbox = await Gateway.CreateAsync();
        using var answer = await Gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandbox.Id}/executions", new { code = "print('one', flush=True)\nanswer = input()\nprint(answer)" });
        var run = (await answer.Content.ReadFromJsonAsync<ExecutionInfo>())!;

        // The run cannot end before it is answered, so the first line can only have come live.
        var line = await Gateway.Http.WaitForAsync<OutputEvent>(sandbox.Id, run.FirstSequence);
        line.Text.Should().StartWith("one");
        line.ExecutionId.Should().Be(run.Id);
        await Gateway.Http.WaitForAsync<InputRequestEvent>(sandbox.Id, line.Sequence);
        using var replied = await Gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandbox.Id}/executions/{run.Id}/input", new { value = "two" });
        await Gateway.Http.WaitForAsync<OutputEvent>(sandbox.Id, line.Sequence, e => e.Text.Contains("two", StringComparison.Ordinal));
    }

    [Test]
    public async Task Server_sent_events_carry_number_type_and_json_and_Last_Event_ID_wins()
    {
        var sandbox = await Gateway.CreateAsync();
        await Gateway.RunAsync(sandbox.Id, "print('hi')");
        var all = await Gateway.Http.AllAsync(sandbox.Id);

        using var request = new HttpRequestMessage(HttpMethod.Get, $"/api/v1/sandboxes/{sandbox.Id}/events?follow=false&after=0");
        request.Headers.Add("Last-Event-ID", "2");
        using var answer = await Gateway.Http.SendAsync(request);

        answer.Content.Headers.ContentType!.MediaType.Should().Be("text/event-stream");
        var blocks = (await answer.Content.ReadAsStringAsync()).Split("\n\n", StringSplitOptions.RemoveEmptyEntries);
        blocks.Should().HaveCount(all.Count - 2);
        foreach (var (block, expected) in blocks.Zip(all.Skip(2)))
        {
            var lines = block.Split('\n');
            lines[0].Should().Be($"id: {expected.Sequence}");
            var data = JsonDocument.Parse(lines[2]["data: ".Length..]).RootElement;
            lines[1].Should().Be($"event: {data.GetProperty("type").GetString()}");
            data.GetProperty("sequence").GetInt64().Should().Be(expected.Sequence);
        }
    }

    [TestCase("after=-1")]
    [TestCase("after=100000")]
    public async Task A_number_this_sandbox_never_gave_is_refused(string query)
    {
        var sandbox = await Gateway.CreateAsync();

        using var answer = await Gateway.Http.GetAsync($"/api/v1/sandboxes/{sandbox.Id}/events?{query}");

        answer.StatusCode.Should().Be(HttpStatusCode.BadRequest);
        (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("detail").GetString().Should().Contain("another sandbox's");
    }

    [Test]
    public async Task A_follower_ends_when_the_sandbox_has_ended_and_the_end_can_be_read_later()
    {
        var sandbox = await Gateway.CreateAsync();
        var following = Task.Run(async () =>
        {
            SandboxEvent? last = null;
            await foreach (var one in Gateway.Http.LinesAsync(sandbox.Id, 0, follow: true))
            {
                last = one;
            }

            return last;
        });

        using var ended = await Gateway.Http.DeleteAsync($"/api/v1/sandboxes/{sandbox.Id}");
        using var again = await Gateway.Http.DeleteAsync($"/api/v1/sandboxes/{sandbox.Id}");

        ended.StatusCode.Should().Be(HttpStatusCode.NoContent);
        again.StatusCode.Should().Be(HttpStatusCode.NoContent);
        var last = await following.WaitAsync(TimeSpan.FromSeconds(30));
        last.Should().BeOfType<SandboxStateEvent>().Which.State.Should().Be(SandboxState.Terminated);
        (await Gateway.Http.AllAsync(sandbox.Id)).Last().Sequence.Should().Be(last!.Sequence);
        (await Gateway.Http.GetFromJsonAsync<SandboxInfo>($"/api/v1/sandboxes/{sandbox.Id}"))!.State.Should().Be(SandboxState.Terminated);
        using var run = await Gateway.Http.PostAsJsonAsync($"/api/v1/sandboxes/{sandbox.Id}/executions", new { code = "1" });
        run.StatusCode.Should().Be(HttpStatusCode.Conflict);
    }

    [Test]
    public async Task Rich_results_arrive_typed()
    {
        var sandbox = await Gateway.CreateAsync();
        await Gateway.RunAsync(sandbox.Id, """
            from IPython.display import display, HTML, clear_output
            import matplotlib.pyplot as plt
            handle = display(HTML('<b>bold</b>'), display_id=True)
            handle.update(HTML('<i>later</i>'))
            clear_output(wait=True)
            fig = plt.plot([1, 2, 3])
            plt.show()
            """);

        var all = await Gateway.Http.AllAsync(sandbox.Id);

        var displays = all.OfType<DisplayEvent>().ToList();
        displays[0].Data["text/html"].GetString().Should().Be("<b>bold</b>");
        displays[0].DisplayId.Should().NotBeNull();
        displays[1].Update.Should().BeTrue();
        displays[1].DisplayId.Should().Be(displays[0].DisplayId);
        all.OfType<ClearOutputEvent>().Should().ContainSingle(c => c.Wait);
        var png = Convert.FromBase64String(displays[2].Data["image/png"].GetString()!);
        png.Take(4).Should().Equal(0x89, (byte)'P', (byte)'N', (byte)'G');
    }
}
