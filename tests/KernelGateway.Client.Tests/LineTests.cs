using KernelGateway.Client.Output;

namespace KernelGateway.Client.Tests;

[Parallelizable(ParallelScope.All)]
public sealed class LineTests
{
    [TestCase("one\ntwo\n", "one|two")]
    [TestCase("one\n\ntwo", "one||two")]
    [TestCase("one\r\ntwo\r\n", "one|two")]
    [TestCase("\r10%\r20%\rdone\n", "10%|20%|done")]
    [TestCase("10%\r20%\r", "10%|20%")]
    [TestCase("\r\n\r\n", "|")]
    [TestCase("no end", "no end")]
    [TestCase("", null)]
    public void Lines_end_where_a_reader_would_say(string text, string? expected) =>
        Lines([text]).Should().Equal(expected?.Split('|') ?? []);

    [Test]
    public void Where_the_text_was_cut_makes_no_difference()
    {
        var seed = Environment.TickCount;
        TestContext.Out.WriteLine($"seed {seed}");
        var random = new Random(seed);
        for (var round = 0; round < 2000; round++)
        {
            var text = string.Concat(Enumerable.Range(0, random.Next(0, 30)).Select(_ => random.GetItems(["\r", "\n", "\r\n", "a", "ä", "€", "😀"], 1)[0]));
            var pieces = new List<string>();
            for (var start = 0; start < text.Length;)
            {
                var length = random.Next(1, text.Length - start + 1);
                pieces.Add(text.Substring(start, length));
                start += length;
            }

            Lines(pieces).Should().Equal(Lines([text]), "seed {0}, round {1}: {2}", seed, round, string.Join('|', pieces));
        }
    }

    [Test]
    public void A_line_without_end_comes_in_parts_that_cut_no_character()
    {
        var text = "x" + string.Concat(Enumerable.Repeat("😀", LineAssembler.LongestLine));

        var lines = Lines([text]);

        lines.Should().HaveCount(3);
        lines.Should().OnlyContain(line => line.Length <= LineAssembler.LongestLine && !char.IsHighSurrogate(line[line.Length - 1]));
        string.Concat(lines).Should().Be(text);
    }

    private static List<string> Lines(IEnumerable<string> pieces)
    {
        var lines = new List<string>();
        var assembler = new LineAssembler("stdout", message => lines.Add(message.Line));
        foreach (var piece in pieces)
        {
            assembler.Add(piece, DateTimeOffset.UnixEpoch);
        }

        assembler.Flush();
        return lines;
    }
}
