using KernelGateway.Core.KernelLogs;
using static KernelGateway.Core.Tests.KernelLogs.LogFolder;

namespace KernelGateway.Core.Tests.KernelLogs;

[TestFixture]
public sealed class KernelLogReaderTests
{
    private LogFolder _log = null!;

    [SetUp]
    public void MakeFolder() => _log = new LogFolder();

    [TearDown]
    public void RemoveFolder() => _log.Dispose();

    [Test]
    public void Records_come_in_order_with_kind_frames_and_position()
    {
        byte[] first = Record(1, "header", "parent", "{}", "content");
        byte[] second = Record(2, 3, [[1, 2, 3], []]);
        _log.Write(1, first, second);
        using KernelLogReader reader = _log.Open();

        KernelLogRecord record = Next(reader);
        record.Kind.Should().Be(KernelLogKind.IOPub);
        Enumerable.Range(0, 4).Select(index => Text(record, index)).Should().Equal("header", "parent", "{}", "content");
        record.After.Should().Be(new KernelLogPosition(1, first.Length, 1));
        reader.Position.Should().Be(record.After);

        record = Next(reader);
        record.Kind.Should().Be(KernelLogKind.ExecuteReply);
        record.Frames.Select(frame => frame.Length).Should().Equal(3, 0);
        NothingMore(reader);
    }

    [Test]
    public void A_log_that_is_not_there_yet_is_read_once_it_is()
    {
        _log.Dispose();
        using KernelLogReader reader = _log.Open();
        NothingMore(reader);

        Directory.CreateDirectory(_log.Path);
        NothingMore(reader);

        _log.Write(1, Record(1, "x"));
        Text(Next(reader)).Should().Be("x");
    }

    [Test]
    public void A_record_that_is_torn_at_any_byte_is_nothing_until_it_is_complete()
    {
        byte[] record = Record(2, "header", "parent", "{}", "content");
        for (int cut = 0; cut < record.Length; cut++)
        {
            _log.Write(1, Record(1, "before"), record[..cut]);
            using KernelLogReader reader = _log.Open();
            Text(Next(reader)).Should().Be("before");
            NothingMore(reader);
            NothingMore(reader);

            _log.Append(1, record.AsSpan(cut));
            Next(reader).Sequence.Should().Be(2, "it was cut at byte {0}", cut);
        }
    }

    [Test]
    public void Reading_resumes_with_exactly_the_rest_from_every_position()
    {
        const int Count = 60;
        for (int segment = 0; segment < 6; segment++)
        {
            _log.Write(segment + 1, Enumerable.Range((segment * 10) + 1, 10).Select(number => Record(number, $"record {number}")).ToArray());
        }

        var positions = new List<KernelLogPosition> { KernelLogPosition.Start };
        using (KernelLogReader reader = _log.Open())
        {
            while (reader.TryRead(out KernelLogRecord? record))
            {
                positions.Add(record.After);
            }
        }

        positions.Should().HaveCount(Count + 1);
        for (int read = 0; read <= Count; read++)
        {
            using KernelLogReader reader = _log.Open(positions[read]);
            for (int number = read + 1; number <= Count; number++)
            {
                Text(Next(reader)).Should().Be($"record {number}", "reading resumed at {0}", positions[read]);
            }

            NothingMore(reader);
        }
    }

    [Test]
    public void A_record_larger_than_the_buffer_is_read_whole_and_not_before_it_is_complete()
    {
        byte[] content = new byte[3_000_000];
        new Random(7).NextBytes(content);
        byte[] record = Record(2, 1, [content]);
        _log.Write(1, Record(1, "before"), record[..^1]);
        using KernelLogReader reader = _log.Open();
        Next(reader);
        NothingMore(reader);

        _log.Append(1, LogFolder.Join([record[^1]], Record(3, "after")));
        Next(reader).Frames[0].Span.SequenceEqual(content).Should().BeTrue();
        Text(Next(reader)).Should().Be("after");
    }

    [Test]
    public void Acknowledging_removes_the_segments_before_and_nothing_else()
    {
        for (int number = 1; number <= 4; number++)
        {
            _log.Write(number, Record(number, "x"));
        }

        File.WriteAllText(Path.Combine(_log.Path, "notes.txt"), "not a segment");
        using KernelLogReader reader = _log.Open();
        Next(reader);
        Next(reader);
        KernelLogPosition second = Next(reader).After;
        reader.Acknowledge(second);

        Directory.GetFiles(_log.Path).Select(Path.GetFileName).Should()
            .BeEquivalentTo("0000000003.seg", "0000000004.seg", "notes.txt");
        FluentActions.Invoking(() => reader.Acknowledge(new KernelLogPosition(9, 0, 9)))
            .Should().Throw<ArgumentOutOfRangeException>();
        Next(reader).Sequence.Should().Be(4);
    }

    [Test]
    public void A_finished_segment_can_be_acknowledged_before_its_successor_holds_a_record()
    {
        _log.Write(1, Record(1, "x"));
        _log.Write(2);
        using KernelLogReader reader = _log.Open();
        Next(reader);
        NothingMore(reader);

        reader.Position.Should().Be(new KernelLogPosition(2, 0, 1));
        reader.Acknowledge(reader.Position);
        File.Exists(_log.Segment(1)).Should().BeFalse("a full disk may wait for exactly that");
    }

    [Test]
    public void A_record_moved_to_the_next_segment_when_the_disk_was_full_is_read_there()
    {
        byte[] moved = Record(2, new string('x', 1000));
        _log.Write(1, Record(1, "before"), moved[..500]);
        using KernelLogReader reader = _log.Open();
        KernelLogPosition before = Next(reader).After;
        NothingMore(reader);

        using (FileStream file = File.OpenWrite(_log.Segment(1)))
        {
            file.SetLength(before.Offset);
        }

        _log.Write(2, moved);
        Next(reader).After.Should().Be(new KernelLogPosition(2, moved.Length, 2));
    }

    [Test]
    public void Records_have_memory_of_their_own()
    {
        _log.Write(1, Record(1, "first"), Record(2, "other"));
        using KernelLogReader reader = _log.Open();
        KernelLogRecord first = Next(reader);
        Next(reader);
        Text(first).Should().Be("first");
    }

    [Test]
    public void Impossible_arguments_are_refused()
    {
        var small = new KernelLogOptions { PayloadLimit = 1000 };
        FluentActions.Invoking(() => _log.Open(new KernelLogPosition(0, 0, 0))).Should().Throw<ArgumentOutOfRangeException>();
        FluentActions.Invoking(() => _log.Open(new KernelLogPosition(1, -1, 0))).Should().Throw<ArgumentOutOfRangeException>();
        FluentActions.Invoking(() => _log.Open(null, small)).Should().Throw<ArgumentOutOfRangeException>();
    }
}
