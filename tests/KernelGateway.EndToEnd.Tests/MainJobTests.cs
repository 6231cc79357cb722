using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using KernelGateway.Client;
using KernelGateway.Contracts.Errors;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Executions;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.EndToEnd.Tests.Support;

namespace KernelGateway.EndToEnd.Tests;

/// <summary>The way that everything else stands on: create, run, watch, drop, come back, read what was missed, terminate.</summary>
public sealed class MainJobTests : GatewayFixture
{
    private static readonly JsonSerializerOptions Plain = new(JsonSerializerOptions.Web) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    [Test]
    public async Task A_client_that_drops_in_the_middle_comes_back_by_id_and_sees_every_line_once(CancellationToken cancellationToken)
    {
        const int Lines = 3000;
        var seen = new SeenLines();
        string sandboxId;
        long last;
        await using (var first = Gateway.Client())
        {
            var sandbox = await Sandbox.CreateAsync(first, cancellationToken: cancellationToken);
            sandbox.Detach();
            sandboxId = sandbox.Id;
            var running = await sandbox.StartCodeAsync(Printing(Lines, askAfter: 200), cancellationToken: cancellationToken);

            // The question comes after 200 lines and is answered by who has seen them: they were shown while the code ran.
            last = await ReadAsync(sandbox, running.FirstSequence - 1, seen, e => e is InputRequestEvent, cancellationToken);
            seen.Lines.Should().Equal(Enumerable.Range(0, 200));
            await running.ReplyInputAsync("go on", cancellationToken);
            last = await ReadAsync(sandbox, last, seen, _ => seen.Lines.Count >= 400, cancellationToken);
        }

        var atDrop = seen.Lines.Count;
        await using var witness = Gateway.Client();
        var watched = await Sandbox.FromIdAsync(sandboxId, witness, cancellationToken);
        watched.Info.State.Should().Be(SandboxState.Running, "a dropped client ends nothing");
        var away = new SeenLines();
        await ReadAsync(watched, last, away, _ => atDrop + away.Lines.Count >= 1500, cancellationToken);

        await using var second = Gateway.Client();
        var back = await Sandbox.FromIdAsync(sandboxId, second, cancellationToken);
        await ReadAsync(back, last, seen, e => e is ExecutionFinishedEvent, cancellationToken);
        seen.Lines.Should().Equal(Enumerable.Range(0, Lines));
        atDrop.Should().BeLessThan(Lines / 2, "otherwise nothing was missed");
        (await back.RunCodeAsync("i", cancellationToken: cancellationToken)).Text.Should().Be("2999", "the kernel lives on");

        await back.TerminateAsync(cancellationToken: cancellationToken);
        (await back.RefreshAsync(cancellationToken)).State.Should().Be(SandboxState.Terminated);
        (await back.Invoking(s => s.RunCodeAsync("1", cancellationToken: cancellationToken)).Should().ThrowAsync<KernelGatewayException>())
            .Which.Code.Should().Be(ErrorCodes.Conflict);
    }

    [Test]
    public async Task Two_clients_at_once_see_the_same_numbers_and_texts_up_to_the_end(CancellationToken cancellationToken)
    {
        await using var sandbox = await Sandbox.CreateAsync(Client, cancellationToken: cancellationToken);
        await using var otherClient = Gateway.Client();
        var other = await Sandbox.FromIdAsync(sandbox.Id, otherClient, cancellationToken);
        var one = GatherAsync(sandbox, cancellationToken);
        var two = GatherAsync(other, cancellationToken);

        var result = await sandbox.RunCodeAsync(Printing(500, askAfter: null) + "import sys; print('well', file=sys.stderr)\n{'a': 1}", cancellationToken: cancellationToken);
        await sandbox.TerminateAsync(cancellationToken: cancellationToken);

        result.Status.Should().Be(ExecutionStatus.Ok);
        var events = await one;
        (await two).Should().Equal(events);
        events.Count(e => e.Contains("well\\n", StringComparison.Ordinal)).Should().Be(1);
        events.Count(e => e.Contains("\"{'a': 1}\"", StringComparison.Ordinal)).Should().Be(1);
        events[^1].Should().Contain("\"terminated\"");
    }

    private static string Printing(int lines, int? askAfter) => string.Create(CultureInfo.InvariantCulture, $"""
        import time
        for i in range({lines}):
            print(i, flush=True)
            if i + 1 == {askAfter ?? -1}: input('Go on? ')
            if i % 50 == 0: time.sleep(0.02)

        """);

    /// <summary>Takes events up to the one that is wanted; gives its number.</summary>
    private static async Task<long> ReadAsync(Sandbox sandbox, long after, SeenLines seen, Func<SandboxEvent, bool> wanted, CancellationToken cancellationToken)
    {
        await foreach (var next in sandbox.EventsAsync(after, cancellationToken))
        {
            seen.Take(next);
            if (wanted(next))
            {
                return next.Sequence;
            }
        }

        throw new AssertionException($"The events ended after {seen.Lines.Count} lines.");
    }

    private static async Task<List<string>> GatherAsync(Sandbox sandbox, CancellationToken cancellationToken)
    {
        var events = new List<string>();
        await foreach (var next in sandbox.EventsAsync(0, cancellationToken))
        {
            events.Add(JsonSerializer.Serialize(next, Plain));
            next.Sequence.Should().Be(events.Count);
        }

        return events;
    }
}
