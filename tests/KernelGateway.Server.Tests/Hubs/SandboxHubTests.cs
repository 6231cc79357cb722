using KernelGateway.Server.Tests.Support;

namespace KernelGateway.Server.Tests.Hubs;

[Parallelizable(ParallelScope.All)]
public sealed class SandboxHubTests
{
    private static LiveGateway Gateway => SharedGateway.Instance;

    [Test]
    public async Task A_run_over_the_hub_streams_its_events_live()
    {
        var sandbox = await Gateway.CreateAsync();
        await using var caller = await RawHub.ConnectAsync(Gateway.Address, Gateway.Key);
        await using var reader = await RawHub.ConnectAsync(Gateway.Address, Gateway.Key);

        var started = (await caller.InvokeAsync("RunCode", sandbox.Id, new { code = "print('hello')\ninput('more? ')" })).GetProperty("result");
        var text = "";
        await foreach (var one in reader.StreamAsync("StreamEvents", sandbox.Id, 0))
        {
            switch (one.GetProperty("type").GetString())
            {
                case "output":
                    one.GetProperty("executionId").GetString().Should().Be(started.GetProperty("id").GetString());
                    one.GetProperty("stream").GetString().Should().Be("stdout");
                    text += one.GetProperty("text").GetString();
                    continue;
                case "inputRequest":
                    one.GetProperty("prompt").GetString().Should().Be("more? ");
                    var replied = await caller.InvokeAsync("ReplyInput", sandbox.Id, started.GetProperty("id").GetString(), "yes");
                    replied.TryGetProperty("error", out _).Should().BeFalse();
                    continue;
                case "executionFinished":
                    one.GetProperty("status").GetString().Should().Be("ok");
                    break;
                default:
                    continue;
            }

            break;
        }

        text.Should().StartWith("hello\n");
    }

    [Test]
    public async Task A_dropped_reader_resumes_after_its_last_number_and_sees_each_line_once()
    {
        var sandbox = await Gateway.CreateAsync();
        await using var caller = await RawHub.ConnectAsync(Gateway.Address, Gateway.Key);
        await caller.InvokeAsync("RunCode", sandbox.Id, new { code = "for i in range(3000): print(i, flush=True)" });

        var lines = new List<string>();
        var after = 0L;
        var finished = false;
        while (!finished)
        {
            await using var reader = await RawHub.ConnectAsync(Gateway.Address, Gateway.Key);
            var untilDrop = 700;
            await foreach (var one in reader.StreamAsync("StreamEvents", sandbox.Id, after))
            {
                var sequence = one.GetProperty("sequence").GetInt64();
                sequence.Should().Be(after + 1);
                after = sequence;
                if (one.GetProperty("type").GetString() == "output")
                {
                    lines.AddRange(one.GetProperty("text").GetString()!.Split('\n', StringSplitOptions.RemoveEmptyEntries));
                }

                finished = one.GetProperty("type").GetString() == "executionFinished";
                if (finished || --untilDrop == 0)
                {
                    break;
                }
            }
        }

        lines.Should().Equal(Enumerable.Range(0, 3000).Select(i => i.ToString(System.Globalization.CultureInfo.InvariantCulture)));
    }

    [Test]
    public async Task An_interrupt_over_the_hub_ends_the_run()
    {
        var sandbox = await Gateway.CreateAsync();
        await using var hub = await RawHub.ConnectAsync(Gateway.Address, Gateway.Key);
        var run = (await hub.InvokeAsync("RunCode", sandbox.Id, new { code = "import time; time.sleep(60)" })).GetProperty("result").GetProperty("id").GetString();

        var answer = await hub.InvokeAsync("Interrupt", sandbox.Id, run);

        answer.TryGetProperty("error", out _).Should().BeFalse();
        var end = await Gateway.Http.WaitForAsync<Contracts.Events.ExecutionFinishedEvent>(sandbox.Id, 0);
        end.Status.Should().Be(Contracts.Executions.ExecutionStatus.Interrupted);
    }

    [Test]
    public async Task Force_updates_and_usage_are_there_over_the_hub_too()
    {
        var sandbox = await Gateway.CreateAsync();
        await using var hub = await RawHub.ConnectAsync(Gateway.Address, Gateway.Key);
        var run = (await hub.InvokeAsync("RunCode", sandbox.Id, new { code = "import time; time.sleep(60)" })).GetProperty("result").GetProperty("id").GetString();

        (await hub.InvokeAsync("ForceInterrupt", sandbox.Id, run)).TryGetProperty("error", out _).Should().BeFalse();
        var end = await Gateway.Http.WaitForAsync<Contracts.Events.ExecutionFinishedEvent>(sandbox.Id, 0);
        end.ReasonCode.Should().Be("interrupted");
        end.Reason.Should().Contain("admin (API key ");

        (await hub.InvokeAsync("UpdateSandbox", sandbox.Id, new { name = "by hub" })).GetProperty("result").GetProperty("name").GetString().Should().Be("by hub");
        (await hub.InvokeAsync("UpdateSandbox", sandbox.Id, new { cpu = -1 })).GetProperty("error").GetString().Should().Contain("invalid_argument: 'cpu'");
        (await hub.InvokeAsync("UpdateSandbox", sandbox.Id, null)).GetProperty("error").GetString().Should().Contain("invalid_argument: ");
        (await hub.InvokeAsync("GetUsage", sandbox.Id)).GetProperty("error").GetString().Should().Contain("not_supported: ").And.Contain("local");
    }

    [Test]
    public async Task Wrong_calls_say_code_and_sentence_and_leave_the_connection_open()
    {
        var sandbox = await Gateway.CreateAsync();
        await using var hub = await RawHub.ConnectAsync(Gateway.Address, Gateway.Key);

        (await hub.InvokeAsync("RunCode", "nope", new { code = "1" })).GetProperty("error").GetString().Should().Contain("sandbox_not_found: ");
        (await hub.InvokeAsync("RunCode", null, null)).GetProperty("error").GetString().Should().Contain("sandbox_not_found: ");
        (await hub.InvokeAsync("RunCode", sandbox.Id, new { code = "" })).GetProperty("error").GetString().Should().Contain("invalid_argument: 'code'");
        (await hub.InvokeAsync("RunCode", sandbox.Id, null)).GetProperty("error").GetString().Should().Contain("invalid_argument: ");
        (await hub.InvokeAsync("Interrupt", sandbox.Id, "nope")).GetProperty("error").GetString().Should().Contain("execution_not_found: ");
        (await hub.InvokeAsync("ReplyInput", sandbox.Id, "nope", "x")).GetProperty("error").GetString().Should().Contain("execution_not_found: ");
        var beyond = async () =>
        {
            await foreach (var _ in hub.StreamAsync("StreamEvents", sandbox.Id, 100000))
            {
            }
        };
        (await beyond.Should().ThrowAsync<InvalidOperationException>()).Which.Message.Should().Contain("invalid_argument: 'after'");

        (await hub.InvokeAsync("RunCode", sandbox.Id, new { code = "1" })).GetProperty("result").GetProperty("id").GetString().Should().NotBeEmpty();
    }

    [Test]
    public async Task Anothers_sandbox_is_unknown_on_the_hub_too()
    {
        var sandbox = await Gateway.CreateAsync();
        using var other = await Gateway.OtherOwnerAsync("hub-other");
        await using var hub = await RawHub.ConnectAsync(Gateway.Address, other.DefaultRequestHeaders.Authorization!.Parameter!);

        (await hub.InvokeAsync("RunCode", sandbox.Id, new { code = "1" })).GetProperty("error").GetString().Should().Contain("sandbox_not_found: ");
    }
}
