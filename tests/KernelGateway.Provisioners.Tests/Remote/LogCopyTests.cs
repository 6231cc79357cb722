using System.Text;
using KernelGateway.Core.Errors;
using KernelGateway.Core.KernelLogs;
using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Native;
using KernelGateway.Provisioners.Remote;

namespace KernelGateway.Provisioners.Tests.Remote;

/// <summary>What a copy of a log takes, and where it goes on.</summary>
public sealed class LogCopyTests
{
    private TemporaryFolder _folder = null!;

    private KernelLogLocation Location => new(_folder.Of("log"), LibC.GetEffectiveUid());

    [SetUp]
    public void Open() => _folder = new TemporaryFolder();

    [TearDown]
    public void Close() => _folder.Dispose();

    [Test]
    public void It_goes_on_where_it_ended()
    {
        var copy = LogCopy.Open(Location);
        (copy.Segment, copy.Offset).Should().Be((1, 0));
        copy.Add(1, 0, "abc"u8, null);
        copy.Add(1, 3, "def"u8, 6);
        (copy.Segment, copy.Offset).Should().Be((2, 0));
        copy = LogCopy.Open(Location);
        (copy.Segment, copy.Offset).Should().Be((1, 6), "that it was complete is asked for again");
        copy.Add(1, 6, default, 6);
        copy.Add(2, 0, "g"u8, null);
        copy = LogCopy.Open(Location);
        (copy.Segment, copy.Offset, Text(1), Text(2)).Should().Be((2, 1, "abcdef", "g"));
    }

    [Test]
    public void What_the_writer_took_back_is_taken_back_here_too()
    {
        var copy = LogCopy.Open(Location);
        copy.Add(1, 0, "whole|ha"u8, null);
        copy.Add(1, 8, default, 6);
        copy.Add(2, 0, "half"u8, null);
        (Text(1), Text(2)).Should().Be(("whole|", "half"));
    }

    [Test]
    public void What_does_not_follow_is_refused()
    {
        var copy = LogCopy.Open(Location);
        copy.Add(1, 0, "abc"u8, null);
        foreach (var (segment, offset, final) in new (long, long, long?)[] { (1, 0, null), (1, 4, null), (2, 1, null), (0, 0, null), (99_999_999_999, 0, null), (1, 3, 4) })
        {
            copy.Invoking(it => it.Add(segment, offset, "xy"u8, final)).Should().Throw<GatewayException>().Which.Code.Should().Be(ErrorCode.KernelFailed);
        }

        Text(1).Should().Be("abc");
        copy.Add(5, 0, "later"u8, null);
        (copy.Segment, Text(5)).Should().Be((5, "later"), "segments can be lost; the reader says so");
    }

    [Test]
    public void With_too_much_unread_it_waits()
    {
        var copy = LogCopy.Open(Location);
        copy.Add(1, 0, new byte[LogCopy.MaxUnread - 1], null);
        copy.CheckFull().Should().BeFalse();
        copy.Add(1, LogCopy.MaxUnread - 1, new byte[1], LogCopy.MaxUnread);
        copy.CheckFull().Should().BeTrue();
        File.Delete(_folder.Of("log/0000000001.seg"));
        copy.CheckFull().Should().BeFalse();
    }

    [Test]
    public void An_abandoned_log_ends_after_what_was_whole()
    {
        var copy = LogCopy.Open(Location);

        // As kernel_log.py writes it: a piece of standard output.
        var record = Convert.FromBase64String("GAAAAFF15RoBAAAAAAAAAAUAAAACAAYAAABzdGRvdXQIAAAAaGkKL3RtcAo=");
        copy.Add(1, 0, [.. record, 1, 2, 3], null);
        copy.End();
        copy.IsOver.Should().BeTrue();
        using var reader = KernelLogReader.Open(Location, KernelLogPosition.Start, new KernelLogOptions());
        var seen = new List<string>();
        while (reader.TryRead(out var one) || reader.Fault is not null)
        {
            seen.Add(reader.Fault?.Kind.ToString() ?? $"{one!.Kind} {Encoding.UTF8.GetString(one.Frames[^1].Span).Replace('\n', '|')}");
        }

        seen.Should().Equal("CommandOutput hi|/tmp|", "Torn", "CommandEnd null");
    }

    private string Text(int segment) => File.ReadAllText(_folder.Of($"log/{segment:D10}.seg"));
}
