using System.Text;
using KernelGateway.Chaos.Tests.Support;
using KernelGateway.Client;
using KernelGateway.Core.Journals;

namespace KernelGateway.Chaos.Tests;

/// <summary>C9: what the journal promises for a power cut, tried on copies of a disk's image.</summary>
public sealed class PowerCutTests
{
    private const int Entries = 200;

    [Test]
    [Deadline(300)]
    public async Task C9_When_every_batch_is_flushed_a_power_cut_costs_nothing_that_was_recorded()
    {
        Requires.Root();
        await using var disk = await ImageDisk.CreateAsync();
        var options = new JournalOptions { SegmentBytes = 64 << 10, FlushIntervalMilliseconds = 0 };
        using var store = FileJournalStore.Open(Path.Combine(disk.Path, "journal"), options);
        using var journal = new Journal(store, TimeProvider.System);
        Append(journal, 0, Entries);

        await using var after = await disk.CutPowerAsync();

        Read(Path.Combine(after.Path, "journal"), options).Should().Equal(Enumerable.Range(0, Entries).Select(Text));
    }

    [Test]
    [Deadline(300)]
    public async Task C9_A_power_cut_costs_only_what_was_recorded_since_the_last_flush()
    {
        Requires.Root();
        await using var disk = await ImageDisk.CreateAsync();
        var options = new JournalOptions { SegmentBytes = 64 << 10 };
        using var store = FileJournalStore.Open(Path.Combine(disk.Path, "journal"), options);
        using var journal = new Journal(store, TimeProvider.System);
        Append(journal, 0, Entries);
        journal.Flush();
        Append(journal, Entries, Entries);

        await using var after = await disk.CutPowerAsync();

        var read = Read(Path.Combine(after.Path, "journal"), options);
        read.Should().Equal(Enumerable.Range(0, read.Count).Select(Text));
        read.Count.Should().BeGreaterThanOrEqualTo(Entries).And.BeLessThan(2 * Entries, "otherwise this was no power cut");
    }

    [Test]
    [Deadline(300)]
    public async Task C9_A_gateway_flushes_its_journals_within_the_time_that_is_set()
    {
        Requires.Root();
        await using var disk = await ImageDisk.CreateAsync();
        await using var gateway = await ChaosGateway.StartOnAsync(Path.Combine(disk.Path, "d"), [], ("Gateway:Journal:FlushIntervalMilliseconds", "200"));
        await using var client = gateway.PatientClient();
        await using var sandbox = await Sandbox.CreateAsync(client);
        var result = await sandbox.RunCodeAsync("for i in range(1000): print(i, flush=True)");

        await Wait.UntilAsync(
            async () =>
            {
                await using var after = await disk.CutPowerAsync();
                long last = 0;
                using var store = FileJournalStore.Open(Path.Combine(after.Path, "d", "journals", sandbox.Id), new JournalOptions(), e => last = e.Sequence);
                return last >= result.Execution.LastSequence;
            },
            TimeSpan.FromSeconds(3),
            "the end of the run is safe against a power cut");
    }

    private static void Append(Journal journal, int first, int count)
    {
        for (var i = first; i < first + count; i++)
        {
            journal.Append(new JournalEntry { Kind = JournalEntryKind.Gap, ContextId = "default", Frames = [Encoding.UTF8.GetBytes(Text(i))] });
        }
    }

    private static string Text(int number) => $"{number} {new string('x', 1000)}";

    private static List<string> Read(string folder, JournalOptions options)
    {
        var read = new List<string>();
        using var store = FileJournalStore.Open(folder, options, e => read.Add(Encoding.UTF8.GetString(e.Frames[0].Span)));
        store.Damage.Should().BeEmpty();
        return read;
    }
}
