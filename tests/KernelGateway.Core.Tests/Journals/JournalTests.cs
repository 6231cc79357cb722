using System.Text;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Journals;

namespace KernelGateway.Core.Tests.Journals;

[Parallelizable(ParallelScope.All)]
public sealed class JournalTests
{
    private static readonly JournalOptions SmallSegments = new() { SegmentBytes = 64 << 10, MaxBytes = 1 << 20 };

    [Test]
    public async Task Entries_come_back_with_rising_numbers_and_everything_in_them()
    {
        using var folder = new TemporaryFolder();
        using var journal = Open(folder.Path);
        var draft = Entry("hello") with
        {
            Kind = JournalEntryKind.KernelMessage,
            Channel = JournalChannel.Stdin,
            ContextId = "default",
            ExecutionId = "abc",
            Source = new SourcePosition("k1", 3, 1234, 99),
            Frames = [Bytes("header"), Bytes(""), Bytes("{}"), Bytes("é"), new byte[] { 0, 255 }],
        };

        journal.Append(Entry("first"), draft).Should().Be(2);

        var read = await ReadAll(journal, 1);
        read.Should().ContainSingle();
        read[0].Should().BeEquivalentTo(draft with { Sequence = 2 }, o => o.Excluding(e => e.Time).Excluding(e => e.Frames));
        read[0].Frames.Select(f => f.ToArray()).Should().BeEquivalentTo(draft.Frames.Select(f => f.ToArray()), o => o.WithStrictOrdering());
        read[0].Time.Should().BeCloseTo(DateTimeOffset.UtcNow, TimeSpan.FromMinutes(1));
    }

    [Test]
    public async Task A_follower_gets_what_comes_later_and_ends_with_the_journal()
    {
        using var folder = new TemporaryFolder();
        using var journal = Open(folder.Path);
        journal.Append(Entry("1"));
        var seen = new List<long>();
        var both = new TaskCompletionSource();
        var follower = Task.Run(async () =>
        {
            await foreach (var entry in journal.ReadAsync(0, follow: true))
            {
                seen.Add(entry.Sequence);
                if (seen.Count == 2)
                {
                    both.SetResult();
                }
            }
        });

        journal.Append(Entry("2"));
        await both.Task.WaitAsync(TimeSpan.FromSeconds(20));
        journal.Append(Entry("3"));
        journal.Complete();

        await follower.WaitAsync(TimeSpan.FromSeconds(20));
        seen.Should().Equal(1, 2, 3);
    }

    [Test]
    public async Task Many_writers_and_readers_all_see_the_same_numbers_without_a_hole()
    {
        using var folder = new TemporaryFolder();
        using var journal = Open(folder.Path, new JournalOptions { SegmentBytes = 64 << 10 });
        var readers = Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
        {
            var seen = new List<(long, string)>();
            await foreach (var entry in journal.ReadAsync(0, follow: true))
            {
                seen.Add((entry.Sequence, Text(entry)));
            }

            return seen;
        })).ToList();

        await Task.WhenAll(Enumerable.Range(0, 4).Select(w => Task.Run(() =>
        {
            for (var i = 0; i < 2000; i++)
            {
                journal.Append(Entry($"{w}:{i}"), Entry($"{w}:{i}b"));
            }
        })));
        journal.Complete();

        var all = await Task.WhenAll(readers);
        all[0].Select(s => s.Item1).Should().Equal(Enumerable.Range(1, 16_000).Select(n => (long)n));
        all.Should().AllSatisfy(one => one.Should().Equal(all[0]));
    }

    [Test]
    public async Task A_reopened_journal_goes_on_with_the_next_number()
    {
        using var folder = new TemporaryFolder();
        using (var journal = Open(folder.Path, SmallSegments))
        {
            for (var i = 0; i < 300; i++)
            {
                journal.Append(Entry($"{i} {new string('x', 1000)}"));
            }
        }

        var replayed = new List<long>();
        using var again = new Journal(FileJournalStore.Open(folder.Path, SmallSegments, e => replayed.Add(e.Sequence)), TimeProvider.System);
        again.Append(Entry("next")).Should().Be(301);

        replayed.Should().Equal(Enumerable.Range(1, 300).Select(n => (long)n));
        (await ReadAll(again, 298)).Select(e => e.Sequence).Should().Equal(299, 300, 301);
    }

    [Test]
    public async Task Over_its_size_the_oldest_go_and_a_reader_is_told_which()
    {
        using var folder = new TemporaryFolder();
        using var journal = Open(folder.Path, SmallSegments);
        for (var i = 1; i <= 3000; i++)
        {
            journal.Append(Entry($"{i} {new string('x', 1000)}"));
        }

        var size = Directory.EnumerateFiles(folder.Path).Sum(f => new FileInfo(f).Length);
        size.Should().BeLessThanOrEqualTo(SmallSegments.MaxBytes + SmallSegments.SegmentBytes);
        var read = await ReadAll(journal, 10);
        read[0].Kind.Should().Be(JournalEntryKind.Truncated);
        Notes.Read<Notes.TruncatedNote>(read[0]).FirstMissing.Should().Be(11);
        read[0].Sequence.Should().Be(journal.FirstSequence - 1);
        read.Skip(1).Select(e => e.Sequence).Should().Equal(Enumerable.Range((int)journal.FirstSequence, 3000 - (int)journal.FirstSequence + 1).Select(n => (long)n));
        Text(read[^1]).Should().StartWith("3000 ");
    }

    [Test]
    public async Task Old_segments_go_and_the_one_in_use_stays()
    {
        using var folder = new TemporaryFolder();
        using var journal = Open(folder.Path, SmallSegments);
        for (var i = 1; i <= 200; i++)
        {
            journal.Append(Entry($"{i} {new string('x', 1000)}"));
        }

        var files = Directory.GetFiles(folder.Path).Order().ToList();
        files.Should().HaveCountGreaterThan(2);
        var longAgo = DateTimeOffset.UnixEpoch.AddYears(40);
        File.SetLastWriteTimeUtc(files[0], longAgo.UtcDateTime);
        File.SetLastWriteTimeUtc(files[^1], longAgo.UtcDateTime);

        journal.RemoveOlderThan(longAgo.AddDays(1));

        Directory.GetFiles(folder.Path).Order().Should().Equal(files.Skip(1));
        var read = await ReadAll(journal, 0);
        Notes.Read<Notes.TruncatedNote>(read[0]).Reason.Should().Contain("size or age");
        read[^1].Sequence.Should().Be(200);
    }

    [Test]
    public async Task A_write_cut_short_at_any_byte_loses_only_what_was_never_shown()
    {
        using var folder = new TemporaryFolder();
        long before;
        string file;
        using (var journal = Open(folder.Path))
        {
            journal.Append(Entry("kept 1"));
            journal.Append(Entry("kept 2"));
            file = Directory.GetFiles(folder.Path).Single();
            before = new FileInfo(file).Length;
            journal.Append(Entry("cut"));
        }

        var whole = await File.ReadAllBytesAsync(file);
        for (var length = (int)before; length < whole.Length; length++)
        {
            await File.WriteAllBytesAsync(file, whole[..length]);
            var store = FileJournalStore.Open(folder.Path, new JournalOptions());
            using var journal = new Journal(store, TimeProvider.System);
            store.Damage.Should().BeEmpty($"a torn end of {length - before} bytes is no damage");
            journal.Append(Entry("after")).Should().Be(3);
            (await ReadAll(journal, 0)).Select(Text).Should().Equal("kept 1", "kept 2", "after");
        }
    }

    [Test]
    public async Task After_a_thousand_kinds_of_damage_no_wrong_byte_is_shown_and_no_number_is_used_twice()
    {
        var seed = Environment.TickCount;
        TestContext.Out.WriteLine($"seed {seed}");
        var random = new Random(seed);
        using var original = new TemporaryFolder();
        using (var journal = Open(original.Path, SmallSegments))
        {
            for (var i = 1; i <= 200; i++)
            {
                journal.Append(Entry($"{i} {new string('x', random.Next(1500))}"));
            }
        }

        var truth = (await ReadAll(Open(original.Path, SmallSegments), 0)).ToDictionary(e => e.Sequence, Text);
        for (var round = 0; round < 1000; round++)
        {
            using var folder = new TemporaryFolder();
            foreach (var file in Directory.GetFiles(original.Path))
            {
                File.Copy(file, Path.Combine(folder.Path, Path.GetFileName(file)));
            }

            var what = Damage(random, Directory.GetFiles(folder.Path));
            using var journal = Open(folder.Path, SmallSegments);
            var next = journal.Append(Entry("after"));

            var expected = 1L;
            foreach (var entry in await ReadAll(journal, 0))
            {
                if (entry.Kind == JournalEntryKind.Truncated)
                {
                    Notes.Read<Notes.TruncatedNote>(entry).FirstMissing.Should().Be(expected, what);
                    expected = entry.Sequence + 1;
                    continue;
                }

                entry.Sequence.Should().Be(expected++, what);
                Text(entry).Should().Be(entry.Sequence == next ? "after" : truth[entry.Sequence], what);
            }

            expected.Should().Be(next + 1, what);
        }
    }

    [Test]
    public async Task A_full_disk_is_said_and_when_there_is_room_again_it_goes_on_without_a_hole()
    {
        Requires.Root();
        using var folder = new TemporaryFolder();
        await using var disk = await SmallDisk.MountAsync(folder.Of("disk"), "1m");
        using var journal = Open(disk.Path, SmallSegments);
        var filler = Path.Combine(disk.Path, "filler");
        File.WriteAllBytes(filler, new byte[900 << 10]);
        var written = 0L;
        var filling = () =>
        {
            while (true)
            {
                written = journal.Append(Entry(new string('x', 5000)));
            }
        };
        filling.Should().Throw<GatewayException>().Which.Code.Should().Be(ErrorCode.StorageFull);

        File.Delete(filler);
        journal.Append(Entry("after")).Should().Be(written + 1);
        journal.ReadAsync(0, follow: false).ToBlockingEnumerable().Select(e => e.Sequence)
            .Should().Equal(Enumerable.Range(1, (int)written + 1).Select(n => (long)n));
    }

    private static string Damage(Random random, string[] files)
    {
        var file = files[random.Next(files.Length)];
        var bytes = File.ReadAllBytes(file);
        var at = random.Next(bytes.Length);
        var length = Math.Min(random.Next(1, 3000), bytes.Length - at);
        var kind = random.Next(5);
        bytes = kind switch
        {
            0 => Flip(bytes, at, random.Next(8)),
            1 => bytes[..at],
            2 => [.. bytes[..at], .. new byte[length], .. bytes[(at + length)..]],
            3 => [.. bytes[..(at + length)], .. bytes[at..]],
            _ => [.. bytes[..at], .. bytes[(at + length)..]],
        };
        File.WriteAllBytes(file, bytes);
        return $"kind {kind} at {at} length {length} of {Path.GetFileName(file)}";

        static byte[] Flip(byte[] bytes, int at, int bit)
        {
            bytes[at] ^= (byte)(1 << bit);
            return bytes;
        }
    }

    private static Journal Open(string folder, JournalOptions? options = null) =>
        new(FileJournalStore.Open(folder, options ?? new JournalOptions()), TimeProvider.System);

    private static JournalEntry Entry(string text) => new() { Kind = JournalEntryKind.Gap, Frames = [Bytes(text)] };

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    private static string Text(JournalEntry entry) => Encoding.UTF8.GetString(entry.Frames[0].Span);

    private static async Task<List<JournalEntry>> ReadAll(Journal journal, long after)
    {
        var all = new List<JournalEntry>();
        await foreach (var entry in journal.ReadAsync(after, follow: false))
        {
            all.Add(entry);
        }

        return all;
    }
}
