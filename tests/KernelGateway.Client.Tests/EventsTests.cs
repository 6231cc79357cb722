using KernelGateway.Client.Tests.Gateway;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Sandboxes;

namespace KernelGateway.Client.Tests;

[Parallelizable(ParallelScope.All)]
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public sealed class EventsTests : FakeGatewayFixture
{
    [Test]
    public async Task Every_event_comes_once_and_in_order_wherever_the_connection_is_cut([Values(1, 2, 3)] int seed)
    {
        const int count = 3000;
        TestContext.Out.WriteLine($"seed {seed}");
        var random = new Random(seed);
        await using var proxy = new CuttingProxy(Gateway.Port, () => random.Next(200, 40_000));
        await using var client = Gateway.Connect(proxy.Address);
        var (fake, sandbox) = await OpenAsync(client);
        var writing = Task.Run(() =>
        {
            for (var line = 0; line < count; line++)
            {
                fake.Append(new OutputEvent { Stream = "stdout", Text = $"Zeile {line} — {new string('ä', line % 50)}\n" });
            }

            fake.Terminate();
        });

        var seen = new List<SandboxEvent>();
        await foreach (var next in sandbox.EventsAsync(0, Deadline))
        {
            seen.Add(next);
        }

        await writing;
        seen.Select(e => e.Sequence).Should().Equal(Enumerable.Range(1, count + 1).Select(n => (long)n));
        seen.OfType<OutputEvent>().Select(e => e.Text).Should().Equal(Enumerable.Range(0, count).Select(line => $"Zeile {line} — {new string('ä', line % 50)}\n"));
        proxy.Cuts.Should().BeGreaterThan(10, "otherwise this test has shown nothing");
    }

    [Test]
    public async Task A_number_that_is_left_out_is_an_error_and_not_silence()
    {
        var (fake, sandbox) = await OpenAsync();
        Print(fake, 5);
        Gateway.State.Withheld[3] = true;

        var seen = new List<long>();
        var reading = async () =>
        {
            await foreach (var next in sandbox.EventsAsync(0, Deadline))
            {
                seen.Add(next.Sequence);
            }
        };

        var error = (await reading.Should().ThrowAsync<KernelGatewayException>()).Which;
        error.Code.Should().Be(ClientErrorCodes.EventGap);
        error.Message.Should().Contain("After event 2").And.Contain("1 events are missing");
        seen.Should().Equal(1, 2);
    }

    [Test]
    public async Task A_truncation_is_passed_on_and_is_no_hole()
    {
        var (fake, sandbox) = await OpenAsync();
        Print(fake, 6);
        fake.Truncate(4);
        fake.Terminate();

        var seen = await ReadAllAsync(sandbox);

        seen[0].Should().BeOfType<TruncatedEvent>().Which.Sequence.Should().Be(4);
        seen.Select(e => e.Sequence).Should().Equal(4, 5, 6, 7);
    }

    [Test]
    public async Task Events_that_are_sent_twice_are_seen_once()
    {
        var (fake, sandbox) = await OpenAsync();
        Gateway.State.Copies = 3;
        Print(fake, 20);
        fake.Terminate();

        (await ReadAllAsync(sandbox)).Select(e => e.Sequence).Should().Equal(Enumerable.Range(1, 21).Select(n => (long)n));
    }

    [Test]
    public async Task A_restart_of_the_gateway_is_only_a_pause()
    {
        var (fake, sandbox) = await OpenAsync();
        Print(fake, 3);
        var seen = new List<long>();
        await foreach (var next in sandbox.EventsAsync(0, Deadline))
        {
            seen.Add(next.Sequence);
            if (next.Sequence == 3)
            {
                await Gateway.EndAsync();
                Print(fake, 2);
                fake.Terminate();
                await Gateway.BeginAsync();
            }
        }

        seen.Should().Equal(1, 2, 3, 4, 5, 6);
    }

    [Test]
    public async Task A_stream_that_the_gateway_ends_early_is_taken_up_again()
    {
        var (fake, sandbox) = await OpenAsync();
        Gateway.State.StreamLength = 2;
        Print(fake, 6);
        fake.Terminate();

        (await ReadAllAsync(sandbox)).Select(e => e.Sequence).Should().Equal(1, 2, 3, 4, 5, 6, 7);
        Gateway.State.Streams.Should().BeGreaterThan(2);
    }

    [Test]
    public async Task Reading_on_after_the_end_of_an_ended_sandbox_ends_at_once([Values] bool lost)
    {
        var (fake, sandbox) = await OpenAsync();
        Print(fake, 2);
        fake.Terminate(lost ? SandboxState.Lost : SandboxState.Terminated);

        (await ReadAllAsync(sandbox, after: 3)).Should().BeEmpty();
    }

    [Test]
    public async Task A_reader_that_falls_behind_does_not_make_memory_grow_and_loses_nothing()
    {
        const int count = 12_000;
        var (fake, sandbox) = await OpenAsync();
        for (var n = 0; n < count; n++)
        {
            fake.Append(new OutputEvent { Stream = "stdout", Text = new string('x', 4000) });
        }

        fake.Terminate();
        var seen = new List<long>();
        var sentWhilePaused = 0L;
        await foreach (var next in sandbox.EventsAsync(0, Deadline))
        {
            seen.Add(next.Sequence);
            if (seen.Count == 1)
            {
                await Gateway.State.StreamCancelled.WaitAsync(Deadline);
                sentWhilePaused = Gateway.State.Sent;
            }
        }

        seen.Should().Equal(Enumerable.Range(1, count + 1).Select(n => (long)n));
        sentWhilePaused.Should().BeLessThan(count / 2, "the stream must have been stopped long before its end");
    }

    [Test]
    public async Task Two_readers_share_one_connection_and_see_the_same_numbers()
    {
        var (fake, sandbox) = await OpenAsync();
        var first = ReadAllAsync(sandbox);
        var second = ReadAllAsync(sandbox, after: 50);
        Print(fake, 100);
        fake.Terminate();

        (await first).Select(e => e.Sequence).Should().Equal(Enumerable.Range(1, 101).Select(n => (long)n));
        (await second).Select(e => e.Sequence).Should().Equal(Enumerable.Range(51, 51).Select(n => (long)n));
        Gateway.State.HubConnections.Should().HaveCount(1);
    }

    [Test]
    public async Task Reading_stops_when_the_caller_says_so()
    {
        var (fake, sandbox) = await OpenAsync();
        Print(fake, 1);
        using var enough = new CancellationTokenSource();

        var reading = async () =>
        {
            await foreach (var _ in sandbox.EventsAsync(0, enough.Token))
            {
                await enough.CancelAsync();
            }
        };

        await reading.Should().ThrowAsync<OperationCanceledException>();
        await Gateway.State.StreamCancelled.WaitAsync(Deadline);
    }

    [Test]
    public async Task A_hub_error_keeps_its_code_and_sentence()
    {
        var reading = () => ReadAllAsync(Client.EventsOf("unknown").ReadAsync(0));

        var error = (await reading.Should().ThrowAsync<KernelGatewayException>()).Which;
        error.Code.Should().Be("sandbox_not_found");
        error.Status.Should().Be(404);
        error.Message.Should().Be("There is no sandbox of that id.");
    }

    private Task<List<SandboxEvent>> ReadAllAsync(Sandbox sandbox, long after = 0) => ReadAllAsync(sandbox.EventsAsync(after, Deadline));

    private async Task<List<SandboxEvent>> ReadAllAsync(IAsyncEnumerable<SandboxEvent> events)
    {
        var seen = new List<SandboxEvent>();
        await foreach (var next in events.WithCancellation(Deadline))
        {
            seen.Add(next);
        }

        return seen;
    }

    private static void Print(FakeSandbox fake, int lines)
    {
        for (var line = 0; line < lines; line++)
        {
            fake.Append(new OutputEvent { Stream = "stdout", Text = $"{line}\n" });
        }
    }
}
