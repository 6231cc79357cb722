using System.Globalization;
using System.Text;
using System.Text.Json;
using KernelGateway.Chaos.Tests.Support;
using KernelGateway.Client;
using KernelGateway.Contracts.Events;
using KernelGateway.Core.Journals;
using KernelGateway.Storage.Sqlite;

namespace KernelGateway.Chaos.Tests;

/// <summary>C8.</summary>
public sealed class JournalFaultTests
{
    [Test]
    [Deadline(300)]
    [Category("Long")]
    public void C8_A_damaged_journal_never_gives_wrong_bytes_and_says_where_it_is_damaged()
    {
        var seed = ChaosSettings.Seed;
        TestContext.Progress.WriteLine($"KG_CHAOS_SEED={seed}");
        var random = new Random(seed);
        using var template = new TemporaryFolder();
        var options = new JournalOptions { SegmentBytes = 64 << 10 };
        var texts = WriteTemplate(template.Path, options, random);
        var timeIsUp = ChaosSettings.TimeIsUp("MUTATIONS");
        var (done, wrong) = (0, new List<string>());
        for (; done < ChaosSettings.Mutations && !timeIsUp() && wrong.Count == 0; done++)
        {
            var folder = Copy(template.Path);
            var mutation = Mutation.Apply(random, folder);
            var read = new List<JournalEntry>();
            using (var store = FileJournalStore.Open(folder, options, read.Add))
            {
                wrong.AddRange(Check(mutation, texts, read, store));
            }

            Directory.Delete(folder, recursive: true);
        }

        Figures.Report("journal mutations", done);
        Figures.Report("journal mutations judged wrongly", wrong.Count);
        wrong.Should().BeEmpty("seed {0}", seed);
    }

    [Test]
    [Deadline(300)]
    public async Task C8_A_gateway_that_finds_damaged_journals_starts_and_shows_only_what_was_really_said()
    {
        const int Copies = 36;
        var random = new Random(ChaosSettings.Seed);
        await using var gateway = await ChaosGateway.StartAsync(("Gateway:Journal:SegmentBytes", "65536"));
        string id;
        await using (var client = gateway.PatientClient())
        {
            var sandbox = await Sandbox.CreateAsync(client);
            id = sandbox.Id;
            await sandbox.RunCodeAsync("for i in range(1500): print(i, 'x' * 100, flush=True)");
            await sandbox.TerminateAsync(TimeSpan.Zero);
        }

        var original = await ReadAsync(gateway, id);
        await gateway.StopAsync();
        var journals = Path.Combine(gateway.DataFolder, "journals");
        var store = new SqliteSandboxStore(new SqliteDatabase(Path.Combine(gateway.DataFolder, "gateway.db")));
        var record = store.Load().Single(r => r.Id == id);
        var mutations = new Dictionary<string, Mutation>();
        for (var i = 0; i < Copies; i++)
        {
            var copy = record with { Id = Guid.NewGuid().ToString("N") };
            Directory.Move(Copy(Path.Combine(journals, id)), Path.Combine(journals, copy.Id));
            mutations[copy.Id] = Mutation.Apply(random, Path.Combine(journals, copy.Id));
            store.Save(copy);
        }

        Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
        await gateway.StartAsync();

        var known = original.ToDictionary(e => e.Sequence, Text);
        foreach (var (copy, mutation) in mutations)
        {
            var shown = await ReadAsync(gateway, copy);
            shown.Select(e => e.Sequence).Should().BeInAscendingOrder().And.OnlyHaveUniqueItems();
            foreach (var one in shown.Where(e => e is not TruncatedEvent && known.ContainsKey(e.Sequence)))
            {
                Text(one).Should().Be(known[one.Sequence], "seed {0}, {1}", ChaosSettings.Seed, mutation);
            }
        }

        (await ReadAsync(gateway, id)).Select(Text).Should().Equal(original.Select(Text));
    }

    private static List<string> WriteTemplate(string folder, JournalOptions options, Random random)
    {
        var texts = new List<string>();
        using var store = FileJournalStore.Open(folder, options);
        using var journal = new Journal(store, TimeProvider.System);
        for (var i = 0; i < 1200; i++)
        {
            texts.Add(string.Create(CultureInfo.InvariantCulture, $"{i} {new string('x', random.Next(200))}"));
            journal.Append(new JournalEntry { Kind = JournalEntryKind.Gap, ContextId = "default", Frames = [Encoding.UTF8.GetBytes(texts[^1])] });
        }

        return texts;
    }

    private static IEnumerable<string> Check(Mutation mutation, List<string> texts, List<JournalEntry> read, FileJournalStore store)
    {
        long last = 0;
        foreach (var entry in read)
        {
            var text = Encoding.UTF8.GetString(entry.Frames[0].Span);
            if (entry.Sequence <= last || entry.Sequence > texts.Count || text != texts[(int)entry.Sequence - 1])
            {
                yield return $"{mutation}: entry {entry.Sequence} after {last} reads '{text}'";
            }

            last = entry.Sequence;
        }

        // A tail that is cut off looks like a write that never happened; everything else must be told.
        if (read.Count < texts.Count && store.Damage.Count == 0 && !mutation.MayLookTorn)
        {
            yield return $"{mutation}: {texts.Count - read.Count} entries are missing and nothing was said";
        }

        if (store.LastSequence < last)
        {
            yield return $"{mutation}: the number {last} would be used again";
        }
    }

    private static string Copy(string folder)
    {
        var copy = Directory.CreateTempSubdirectory("kg-").FullName;
        foreach (var file in Directory.EnumerateFiles(folder))
        {
            File.Copy(file, Path.Combine(copy, Path.GetFileName(file)));
        }

        return copy;
    }

    private static async Task<List<SandboxEvent>> ReadAsync(GatewayProcess gateway, string id)
    {
        using var http = gateway.Http();
        http.DefaultRequestHeaders.Add("Accept", "application/x-ndjson");
        var lines = await http.GetStringAsync($"/api/v1/sandboxes/{id}/events?after=0&follow=false");
        return [.. lines.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => JsonSerializer.Deserialize<SandboxEvent>(l, JsonSerializerOptions.Web)!)];
    }

    private static string Text(SandboxEvent one) => JsonSerializer.Serialize(one, JsonSerializerOptions.Web);
}
