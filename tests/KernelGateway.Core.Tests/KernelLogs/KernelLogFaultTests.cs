using KernelGateway.Core.KernelLogs;
using KernelGateway.Core.Provisioning;
using KernelGateway.Core.Tests.Support;
using static KernelGateway.Core.Tests.KernelLogs.LogFolder;

namespace KernelGateway.Core.Tests.KernelLogs;

[TestFixture]
public sealed class KernelLogFaultTests
{
    private LogFolder _log = null!;

    [SetUp]
    public void MakeLog()
    {
        _log = new LogFolder();
        _log.Write(1, Record(1, "one"));
        _log.Write(2, Record(2, "two"));
        _log.Write(3, Record(3, "three"));
    }

    [TearDown]
    public void RemoveLog() => _log.Dispose();

    [Test]
    public void A_link_in_place_of_a_segment_is_not_followed()
    {
        string secret = Path.Combine(_log.Path, "elsewhere");
        File.Move(_log.Segment(2), secret);
        File.CreateSymbolicLink(_log.Segment(2), secret);
        SecondSegmentIsRefused().Message.Should().Contain("link");
    }

    [Test]
    public void A_fifo_in_place_of_a_segment_does_not_block()
    {
        File.Delete(_log.Segment(2));
        Posix.MakeFifo(_log.Segment(2));
        SecondSegmentIsRefused();
    }

    [Test]
    public void A_folder_in_place_of_a_segment_is_refused()
    {
        File.Delete(_log.Segment(2));
        Directory.CreateDirectory(_log.Segment(2));
        SecondSegmentIsRefused();
    }

    [Test]
    public void A_hard_link_to_a_file_elsewhere_is_refused()
    {
        Posix.MakeHardLink(_log.Segment(2), Path.Combine(_log.Path, "another name"));
        SecondSegmentIsRefused();
    }

    [Test]
    public void A_segment_of_another_uid_is_refused()
    {
        Requires.Root();
        Posix.GiveAway(_log.Segment(2), 4711);
        SecondSegmentIsRefused().Message.Should().Contain("4711");
    }

    [Test]
    public void A_folder_that_belongs_to_somebody_else_ends_the_reading()
    {
        using KernelLogReader reader = Open(new KernelLogLocation(_log.Path, Posix.Uid + 1));
        NextFault(reader).Kind.Should().Be(KernelLogFaultKind.Folder);
        NothingMore(reader);
    }

    [Test]
    public void A_folder_that_is_a_link_ends_the_reading()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateSymbolicLink(folder.Of("link"), _log.Path);
        using KernelLogReader reader = Open(new KernelLogLocation(folder.Of("link"), Posix.Uid));
        NextFault(reader).Kind.Should().Be(KernelLogFaultKind.Folder);
        NothingMore(reader);
    }

    [Test]
    public void A_folder_that_went_away_since_the_last_time_is_a_fault()
    {
        using KernelLogReader reader = KernelLogReader.Open(
            new KernelLogLocation(_log.Path + "-gone", Posix.Uid), new KernelLogPosition(2, 10, 5), new KernelLogOptions());
        NextFault(reader).Kind.Should().Be(KernelLogFaultKind.Folder);
        NothingMore(reader);
    }

    [Test]
    public void A_missing_segment_is_reported_and_passed_over()
    {
        File.Delete(_log.Segment(2));
        using KernelLogReader reader = _log.Open();
        Next(reader);
        NextFault(reader).Should().BeEquivalentTo(new { Kind = KernelLogFaultKind.Vanished, Segment = 2L });
        NextFault(reader).Kind.Should().Be(KernelLogFaultKind.Gap);
        Text(Next(reader)).Should().Be("three");
    }

    [Test]
    public void A_segment_that_was_removed_half_read_is_reported_when_reading_resumes()
    {
        File.Delete(_log.Segment(2));
        using KernelLogReader reader = _log.Open(new KernelLogPosition(2, 20, 1));
        NextFault(reader).Should().BeEquivalentTo(new { Kind = KernelLogFaultKind.Vanished, Segment = 2L, Offset = 20L });
    }

    [Test]
    public void A_segment_cut_off_before_the_place_of_reading_is_reported()
    {
        File.Delete(_log.Segment(3));
        using KernelLogReader reader = _log.Open();
        Next(reader);
        Next(reader);
        using (FileStream file = File.OpenWrite(_log.Segment(2)))
        {
            file.SetLength(3);
        }

        NextFault(reader).Kind.Should().Be(KernelLogFaultKind.Truncated);
        NothingMore(reader);
    }

    [Test]
    public void A_segment_with_a_successor_that_ends_within_a_record_is_torn()
    {
        byte[] torn = Record(2, "two");
        _log.Write(2, torn[..^2]);
        Second().Kind.Should().Be(KernelLogFaultKind.Torn);
    }

    [Test]
    public void A_flipped_bit_is_a_checksum_fault()
    {
        byte[] record = Record(2, "two");
        record[^1] ^= 0x10;
        _log.Write(2, record, Record(3, "behind it"));
        Second().Should().BeEquivalentTo(new { Kind = KernelLogFaultKind.Checksum, Segment = 2L, Offset = 0L });
    }

    [Test]
    public void A_length_over_the_limit_takes_no_memory()
    {
        byte[] record = Record(2, "two");
        BitConverter.TryWriteBytes(record, uint.MaxValue).Should().BeTrue();
        _log.Write(2, record);
        Second().Kind.Should().Be(KernelLogFaultKind.TooLong);
    }

    [Test]
    public void A_forged_length_below_the_limit_whose_bytes_never_come_takes_no_memory_and_ends_with_the_segment()
    {
        byte[] record = Record(2, "two");
        BitConverter.TryWriteBytes(record, 15_000_000).Should().BeTrue();
        _log.Write(2, record);
        File.Delete(_log.Segment(3));
        using KernelLogReader reader = _log.Open();
        Next(reader);
        long before = GC.GetAllocatedBytesForCurrentThread();
        NothingMore(reader);
        (GC.GetAllocatedBytesForCurrentThread() - before).Should().BeLessThan(1_000_000);

        _log.Write(3, Record(3, "three"));
        NextFault(reader).Kind.Should().Be(KernelLogFaultKind.Torn);
    }

    [Test]
    public void A_number_used_before_is_reported_and_its_segment_passed_over()
    {
        _log.Write(2, Record(2, "two"), Record(1, "one again"), Record(3, "behind it"));
        using KernelLogReader reader = _log.Open();
        Next(reader);
        Next(reader);
        NextFault(reader).Kind.Should().Be(KernelLogFaultKind.Repeated);
        Text(Next(reader)).Should().Be("three");
    }

    [Test]
    public void A_number_left_out_is_reported_before_the_record_that_follows()
    {
        _log.Write(2, Record(7, "seven"), Record(8, "eight"));
        File.Delete(_log.Segment(3));
        using KernelLogReader reader = _log.Open();
        KernelLogPosition before = Next(reader).After;
        NextFault(reader).Kind.Should().Be(KernelLogFaultKind.Gap);
        reader.Position.Sequence.Should().Be(before.Sequence);
        Text(Next(reader)).Should().Be("seven");
        Text(Next(reader)).Should().Be("eight");
    }

    [TestCase(0)]
    [TestCase(7)]
    [TestCase(255)]
    public void An_unknown_kind_is_malformed(int kind)
    {
        _log.Write(2, Record(2, (byte)kind, [[1]]));
        Second().Kind.Should().Be(KernelLogFaultKind.Malformed);
    }

    [TestCase("")]
    [TestCase("01")]
    [TestCase("0100")]
    [TestCase("0100FFFFFFFF")]
    [TestCase("010005000000AABB")]
    [TestCase("010001000000AABB")]
    [TestCase("FFFF00000000")]
    public void Frames_that_do_not_add_up_are_malformed(string payload)
    {
        _log.Write(2, RawRecord(2, 1, Convert.FromHexString(payload)));
        Second().Kind.Should().Be(KernelLogFaultKind.Malformed);
    }

    [TestCase(0)]
    [TestCase(-1)]
    public void An_impossible_number_is_malformed(long sequence)
    {
        _log.Write(2, Record(sequence, "x"));
        Second().Kind.Should().Be(KernelLogFaultKind.Malformed);
    }

    [Test]
    public void Many_foreign_names_in_the_folder_do_not_confuse()
    {
        foreach (string name in new[] { "x", "1.seg", "00000000x2.seg", "99999999999.seg", "0000000002.SEG", "0000000000.seg" })
        {
            File.WriteAllText(Path.Combine(_log.Path, name), "?");
        }

        using KernelLogReader reader = _log.Open();
        new[] { Text(Next(reader)), Text(Next(reader)), Text(Next(reader)) }.Should().Equal("one", "two", "three");
        NothingMore(reader);
    }

    private static KernelLogReader Open(KernelLogLocation location) =>
        KernelLogReader.Open(location, KernelLogPosition.Start, new KernelLogOptions());

    private KernelLogFault SecondSegmentIsRefused()
    {
        KernelLogFault fault = Second();
        fault.Kind.Should().Be(KernelLogFaultKind.Refused);
        return fault;
    }

    /// <summary>Record 2 is lost with its segment; record 3 still comes.</summary>
    private KernelLogFault Second()
    {
        using KernelLogReader reader = _log.Open();
        Text(Next(reader)).Should().Be("one");
        KernelLogFault fault = NextFault(reader);
        fault.Segment.Should().Be(2);
        KernelLogPosition stored = reader.Position;

        NextFault(reader).Kind.Should().Be(KernelLogFaultKind.Gap);
        Text(Next(reader)).Should().Be("three");
        NothingMore(reader);

        using KernelLogReader resumed = _log.Open(stored);
        NextFault(resumed).Kind.Should().Be(KernelLogFaultKind.Gap);
        Text(Next(resumed)).Should().Be("three");
        return fault;
    }
}
