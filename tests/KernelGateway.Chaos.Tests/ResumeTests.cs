using System.Globalization;
using System.Net;
using System.Text.Json;
using KernelGateway.Chaos.Tests.Support;
using KernelGateway.Client;
using KernelGateway.Contracts.Errors;
using KernelGateway.Contracts.Events;

namespace KernelGateway.Chaos.Tests;

/// <summary>Reading on after a number that is too old, too new, or another sandbox's: every way of reading says so.</summary>
public sealed class ResumeTests
{
    private const string Lines = "application/x-ndjson";
    private const string ServerSentEvents = "text/event-stream";

    [Test]
    [Deadline(300)]
    public async Task Before_the_start_every_reader_is_told_what_is_missing_and_then_gets_the_same_events()
    {
        await using var gateway = await ChaosGateway.StartAsync(("Gateway:Journal:MaxBytes", "1048576"), ("Gateway:Journal:SegmentBytes", "65536"));
        await using var client = gateway.PatientClient();
        await using var sandbox = await Sandbox.CreateAsync(client);
        await sandbox.StartCodeAsync("for i in range(3000): print(i, 'x' * 1000, flush=True)");
        await sandbox.RunCodeAsync("pass");
        var last = (await sandbox.RefreshAsync()).LastSequence;

        foreach (var after in new long[] { 0, 5 })
        {
            List<SandboxEvent>[] all =
            [
                await ReadAsync(gateway, sandbox.Id, after, Lines),
                await ReadAsync(gateway, sandbox.Id, after, ServerSentEvents),
                await ReadAsync(sandbox, after, last),
            ];
            foreach (var read in all)
            {
                read[0].Should().BeOfType<TruncatedEvent>().Which.FirstMissing.Should().Be(after + 1);
                read[0].Sequence.Should().BeGreaterThan(1000);
                ((TruncatedEvent)read[0]).Reason.Should().Contain("limit of size");
                read.Select(e => e.Sequence).Should().Equal(Enumerable.Range(0, read.Count).Select(i => read[0].Sequence + i), "after the truncation no number is left out");
                read[^1].Sequence.Should().Be(last);
            }
        }
    }

    [Test]
    [Deadline(300)]
    public async Task After_a_number_that_the_sandbox_never_gave_every_reader_is_refused_with_the_way_out()
    {
        await using var gateway = await ChaosGateway.StartAsync();
        await using var client = gateway.PatientClient();
        await using var talker = await Sandbox.CreateAsync(client);
        await using var quiet = await Sandbox.CreateAsync(client);
        await talker.RunCodeAsync("for i in range(200): print(i, flush=True)");
        var ofTalker = (await talker.RefreshAsync()).LastSequence;
        var ofQuiet = (await quiet.RefreshAsync()).LastSequence;
        using var http = gateway.Http();

        foreach (var after in new[] { ofTalker, ofQuiet + 1, long.MaxValue, -1 })
        {
            foreach (var kind in new[] { Lines, ServerSentEvents })
            {
                using var request = new HttpRequestMessage(HttpMethod.Get, Path(quiet.Id, after)) { Headers = { { "Accept", kind } } };
                using var answer = await http.SendAsync(request);
                answer.StatusCode.Should().Be(HttpStatusCode.BadRequest);
                (await answer.Content.ReadAsStringAsync()).Should().Contain("invalid_argument").And.Contain($"between 0 and {ofQuiet}").And.Contain("another sandbox");
            }

            var overTheHub = () => ReadAsync(quiet, after, long.MaxValue);
            if (after < 0)
            {
                await overTheHub.Should().ThrowAsync<ArgumentOutOfRangeException>("the SDK does not even ask");
                continue;
            }

            var refusal = (await overTheHub.Should().ThrowAsync<KernelGatewayException>()).Which;
            refusal.Code.Should().Be(ErrorCodes.InvalidArgument);
            refusal.Message.Should().Contain($"between 0 and {ofQuiet}").And.Contain("another sandbox");
        }
    }

    private static string Path(string id, long after) => string.Create(CultureInfo.InvariantCulture, $"/api/v1/sandboxes/{id}/events?after={after}&follow=false");

    private static async Task<List<SandboxEvent>> ReadAsync(GatewayProcess gateway, string id, long after, string kind)
    {
        using var http = gateway.Http();
        http.DefaultRequestHeaders.Add("Accept", kind);
        var text = await http.GetStringAsync(Path(id, after));
        return
        [
            .. text.Split('\n')
                .Where(line => line.StartsWith(kind == Lines ? "{" : "data: {", StringComparison.Ordinal))
                .Select(line => JsonSerializer.Deserialize<SandboxEvent>(line[line.IndexOf('{', StringComparison.Ordinal)..], JsonSerializerOptions.Web)!),
        ];
    }

    private static async Task<List<SandboxEvent>> ReadAsync(Sandbox sandbox, long after, long until)
    {
        var read = new List<SandboxEvent>();
        await foreach (var one in sandbox.EventsAsync(after))
        {
            read.Add(one);
            if (one.Sequence >= until)
            {
                break;
            }
        }

        return read;
    }
}
