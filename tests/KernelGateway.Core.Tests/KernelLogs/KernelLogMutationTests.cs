using KernelGateway.Core.KernelLogs;
using static KernelGateway.Core.Tests.KernelLogs.LogFolder;

namespace KernelGateway.Core.Tests.KernelLogs;

/// <summary>Whatever is done to the bytes of a log: no record comes that was not written, none comes twice, and reading ends.</summary>
[TestFixture]
public sealed class KernelLogMutationTests
{
    private const int Segments = 4;
    private const int RecordsEach = 25;

    [Test]
    public void A_wrong_record_is_never_returned([Values(1, 2, 3, 4)] int part)
    {
        using var log = new LogFolder();
        for (int seed = part * 1000; seed < (part * 1000) + 250; seed++)
        {
            var random = new Random(seed);
            byte[][] contents = Enumerable.Range(0, Segments * RecordsEach).Select(_ => Content(random)).ToArray();
            byte[][] files = new byte[Segments][];
            for (int segment = 0; segment < Segments; segment++)
            {
                int first = segment * RecordsEach;
                files[segment] = Join(Enumerable.Range(first, RecordsEach).Select(index => Record(index + 1, 1, [contents[index]])).ToArray());
            }

            var done = new List<string>();
            for (int count = random.Next(1, 4); count > 0; count--)
            {
                int target = random.Next(Segments);
                files[target] = Mutate(random, files[target], done);
            }

            for (int segment = 0; segment < Segments; segment++)
            {
                log.Write(segment + 1, files[segment]);
            }

            try
            {
                Check(log, contents);
            }
            catch (Exception)
            {
                TestContext.Out.WriteLine($"seed {seed}: {string.Join(", ", done)}");
                throw;
            }
        }
    }

    private static void Check(LogFolder log, byte[][] contents)
    {
        using KernelLogReader reader = log.Open();
        long last = 0;
        int quiet = 0;
        int faults = 0;
        while (quiet < 2)
        {
            if (reader.TryRead(out KernelLogRecord? record))
            {
                record.Sequence.Should().BeInRange(last + 1, contents.Length);
                record.Frames[0].Span.SequenceEqual(contents[record.Sequence - 1]).Should().BeTrue("record {0} is as it was written", record.Sequence);
                last = record.Sequence;
            }
            else if (reader.Fault is not null)
            {
                faults++;
            }
            else
            {
                quiet++;
            }

            faults.Should().BeLessThan(20, "every fault goes on in another segment");
        }
    }

    private static byte[] Content(Random random)
    {
        byte[] content = new byte[random.Next(0, 600)];
        random.NextBytes(content);
        return content;
    }

    private static byte[] Mutate(Random random, byte[] file, List<string> done)
    {
        if (file.Length < 100)
        {
            return file;
        }

        int at = random.Next(file.Length - 50);
        int length = random.Next(1, Math.Min(2000, file.Length - at));
        int kind = random.Next(8);
        done.Add($"kind {kind} at {at} length {length}");
        switch (kind)
        {
            case 0:
                file[at] ^= (byte)(1 << random.Next(8));
                return file;
            case 1:
                return file[..at];
            case 2:
                return Join(file[..(at + length)], file[at..]);
            case 3:
                return Join(file[..at], file[(at + length)..]);
            case 4:
                random.NextBytes(file.AsSpan(at, length));
                return file;
            case 5:
                Array.Clear(file, at, length);
                return file;
            case 6:
                return ForgeField(random, file, offset: 0);
            default:
                return ForgeField(random, file, offset: 8);
        }
    }

    /// <summary>Changes the length or the number of one record.</summary>
    private static byte[] ForgeField(Random random, byte[] file, int offset)
    {
        int position = 0;
        for (int skip = random.Next(RecordsEach); skip > 0 && position + 20 < file.Length; skip--)
        {
            int next = position + 20 + BitConverter.ToInt32(file, position);
            position = next > position && next + 20 < file.Length ? next : position;
        }

        BitConverter.TryWriteBytes(file.AsSpan(position + offset), random.Next(2) == 0 ? random.Next() : random.Next(1000));
        return file;
    }
}
