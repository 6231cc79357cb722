using System.Text;
using FsCheck;
using FsCheck.Fluent;
using KernelGateway.Jupyter.Zmtp;

namespace KernelGateway.Jupyter.Tests.Zmtp;

/// <summary>The bytes of the peer, without a socket: every cut is exact.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class MessageDecoderTests
{
    private static readonly ZmtpOptions Limits = new() { MaxFrameBytes = 1000, MaxMessageBytes = 1500, MaxFrames = 5 };

    [Test]
    public void Fragments_of_every_size_give_the_same_messages()
    {
        byte[] bytes =
        [
            .. Wire.Message("one"),
            .. Wire.Message("topic", "", new string('a', 255), new string('b', 256)),
            .. Wire.Command("PING", 0, 0, 7),
            .. Wire.Frame(1, "split by"u8.ToArray()), .. Wire.Command("WHAT", 1, 2, 3), .. Wire.Frame(0, "a command"u8.ToArray()),
            .. Wire.Frame(0, "long form"u8.ToArray(), asLong: true),
            .. Wire.Message("head", new string('c', 1001), "lost"),
            .. Wire.Message(""),
            .. Wire.Message("last"),
        ];
        var expected = Decode(bytes, bytes.Length);
        expected.Should().HaveCount(9);
        expected[6].Should().StartWith("oversize 1009 in 3: 68656164");

        for (var size = 1; size < bytes.Length; size++)
        {
            Decode(bytes, size).Should().Equal(expected, "the fragments are of {0} bytes", size);
        }
    }

    [Test]
    public void What_is_written_is_what_is_read_however_it_is_cut()
    {
        var frame = Gen.Choose(0, 700).Select(n => new byte[n].Select((_, i) => (byte)(i + n)).ToArray());
        var message = frame.ArrayOf().Where(m => m.Length is > 0 and <= 5 && m.Sum(f => f.Length) <= 1500);
        var cases = message.ArrayOf().Zip(Gen.Choose(1, 3000));
        Check.One(Quiet(), Prop.ForAll(cases.ToArbitrary(), c =>
        {
            var bytes = c.Item1.SelectMany(Wire.Message).ToArray();
            Decode(bytes, c.Item2).Should().Equal(c.Item1.Select(m => Frames.AsText([.. m.Select(f => new ReadOnlyMemory<byte>(f))])));
        }));
    }

    [Test]
    public void Random_bytes_give_messages_or_a_violation_and_cost_no_memory()
    {
        // Lengths near the limits and flags that are allowed are made likely: plain noise ends at the first byte.
        var piece = Gen.OneOf(
            Gen.Choose(0, 255).Select(b => new[] { (byte)b }),
            Gen.Choose(0, 7).Select(b => new[] { (byte)b }),
            Gen.Choose(0, 1100).Zip(Gen.Choose(0, 7)).Select(p => Wire.Header(p.Item2, p.Item1)),
            Gen.Elements(0, 256, int.MaxValue, long.MaxValue, -1L).Zip(Gen.Choose(0, 7)).Select(p => Wire.Header(p.Item2, p.Item1, asLong: true)),
            Gen.Choose(0, 1100).Select(n => new byte[n]));
        Check.One(Quiet(2000), Prop.ForAll(piece.ListOf().Zip(Gen.Choose(1, 500)).ToArbitrary(), c =>
        {
            var bytes = c.Item1.SelectMany(p => p).ToArray();
            var before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                Decode(bytes, c.Item2, describe: false);
            }
            catch (ZmtpException e)
            {
                e.Kind.Should().Be(ZmtpErrorKind.ProtocolViolation);
            }

            var spent = GC.GetAllocatedBytesForCurrentThread() - before;
            spent.Should().BeLessThan(400_000 + (bytes.Length * 70L));
        }));
    }

    [Test]
    public void An_oversize_frame_is_drained_without_its_memory()
    {
        const long Huge = 3L * 1024 * 1024 * 1024;
        var decoder = new MessageDecoder(new InputBuffer(), Limits, 1);
        Feed(decoder, [.. Wire.Frame(1, "topic"u8.ToArray()), .. Wire.Header(1, Huge)]).Should().BeEmpty();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var left = Huge; left > 0;)
        {
            var target = decoder.NextTarget();
            var count = (int)Math.Min(left, target.Length);
            decoder.Filled(count);
            decoder.TryRead(out _).Should().Be(DecodedKind.Nothing);
            left -= count;
        }

        (GC.GetAllocatedBytesForCurrentThread() - before).Should().BeLessThan(60_000_000, "3 GiB went through");
        var marker = Feed(decoder, Wire.Frame(0, "tail"u8.ToArray())).Should().ContainSingle().Subject;
        marker.Oversize.Should().BeTrue();
        marker.TotalBytes.Should().Be(Huge + 9);
        marker.TotalFrames.Should().Be(3);
        Frames.Texts(marker).Should().Equal("topic");
        Frames.Texts(Feed(decoder, Wire.Message("a", "b")).Single()).Should().Equal("a", "b");
    }

    [Test]
    public void Announcing_a_large_frame_costs_only_what_comes()
    {
        var decoder = new MessageDecoder(new InputBuffer(), new ZmtpOptions { MaxFrameBytes = int.MaxValue / 2, MaxMessageBytes = long.MaxValue }, 1);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Feed(decoder, [.. Wire.Header(0, 1_000_000_000), 1, 2, 3]);
        (GC.GetAllocatedBytesForCurrentThread() - before).Should().BeLessThan(2_000_000);
    }

    [TestCase(6, 0, 0, "a message of too many frames")]
    [TestCase(1, 1001, 0, "a frame too large")]
    [TestCase(3, 501, 2, "a sum too large: two fit")]
    public void What_exceeds_a_limit_becomes_a_marker_with_the_frames_that_fitted(int frames, int size, int kept, string why)
    {
        var bytes = Wire.Message([.. Enumerable.Range(0, frames).Select(_ => new byte[size])]);
        foreach (var fragment in new[] { bytes.Length, 100 })
        {
            var decoder = new MessageDecoder(new InputBuffer(), Limits, 1);
            var marker = bytes.Chunk(fragment).SelectMany(c => Feed(decoder, c)).Should().ContainSingle(why).Subject;
            marker.Oversize.Should().BeTrue(why);
            marker.TotalFrames.Should().Be(frames);
            marker.TotalBytes.Should().Be((long)frames * size);
            marker.Frames.Should().HaveCount(size == 0 ? 5 : kept);
        }
    }

    [TestCase(new byte[] { 8, 0 }, "reserved")]
    [TestCase(new byte[] { 128, 0 }, "reserved")]
    [TestCase(new byte[] { 5, 3, 1, 65, 0 }, "continued")]
    [TestCase(new byte[] { 2, 128, 0, 0, 0, 0, 0, 0, 0 }, "63 bits")]
    [TestCase(new byte[] { 6, 0, 0, 0, 0, 0, 1, 0, 1 }, "command of 65537 bytes")]
    public void Bytes_that_no_peer_may_send_are_a_violation(byte[] bytes, string expected)
    {
        var decode = () => Feed(new MessageDecoder(new InputBuffer(), Limits, 1), bytes);
        decode.Should().Throw<ZmtpException>().Where(e => e.Kind == ZmtpErrorKind.ProtocolViolation).WithMessage($"*{expected}*");
    }

    [Test]
    public void Commands_up_to_the_limit_are_read_in_both_forms()
    {
        foreach (var size in new[] { 1, 255, 256, 5000, 65_536 })
        {
            var decoder = new MessageDecoder(new InputBuffer(), Limits, 1);
            var bytes = Wire.Frame(4, new byte[size], asLong: true);
            foreach (var chunk in bytes.Chunk(3000).SkipLast(1))
            {
                Put(decoder, chunk);
                decoder.TryRead(out _).Should().Be(DecodedKind.Nothing);
            }

            Put(decoder, bytes.Chunk(3000).Last());
            decoder.TryRead(out _).Should().Be(DecodedKind.Command);
            decoder.Command.Length.Should().Be(size);
        }
    }

    private static Config Quiet(int count = 300) => Config.QuickThrowOnFailure.WithMaxTest(count).WithEndSize(30);

    private static List<string> Decode(byte[] bytes, int fragment, bool describe = true)
    {
        var decoder = new MessageDecoder(new InputBuffer(), Limits, 1);
        var seen = new List<string>();
        for (var at = 0; at < bytes.Length; at += fragment)
        {
            Put(decoder, bytes.AsSpan(at, Math.Min(fragment, bytes.Length - at)), () => Drain(decoder, seen, describe));
        }

        return seen;
    }

    private static void Drain(MessageDecoder decoder, List<string> seen, bool describe)
    {
        DecodedKind kind;
        while ((kind = decoder.TryRead(out var message)) != DecodedKind.Nothing)
        {
            if (describe)
            {
                seen.Add(kind == DecodedKind.Command ? "command " + Encoding.ASCII.GetString(decoder.Command.Span[1..5]) : Frames.AsText(message!));
            }
        }
    }

    private static List<ZmtpMessage> Feed(MessageDecoder decoder, byte[] bytes)
    {
        var messages = new List<ZmtpMessage>();
        Put(decoder, bytes, () =>
        {
            while (decoder.TryRead(out var message) == DecodedKind.Message)
            {
                messages.Add(message!);
            }
        });
        return messages;
    }

    private static void Put(MessageDecoder decoder, ReadOnlySpan<byte> bytes, Action? afterEach = null)
    {
        while (!bytes.IsEmpty)
        {
            var target = decoder.NextTarget().Span;
            var count = Math.Min(target.Length, bytes.Length);
            bytes[..count].CopyTo(target);
            decoder.Filled(count);
            bytes = bytes[count..];
            afterEach?.Invoke();
        }
    }
}
