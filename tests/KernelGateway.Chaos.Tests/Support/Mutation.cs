namespace KernelGateway.Chaos.Tests.Support;

/// <summary>One way in which a disk, or a crash, damages a file of a journal.</summary>
/// <param name="Kind">Which way.</param>
/// <param name="File">Which file.</param>
/// <param name="Offset">Where.</param>
/// <param name="MayLookTorn">The end of the last file may be gone, which cannot be told from a write that a crash cut short.</param>
internal sealed record Mutation(string Kind, string File, long Offset, bool MayLookTorn)
{
    private const int Page = 4096;

    public static Mutation Apply(Random random, string folder)
    {
        var files = Directory.GetFiles(folder, "*.jnl");
        Array.Sort(files, StringComparer.Ordinal);
        var index = random.Next(files.Length);
        var bytes = System.IO.File.ReadAllBytes(files[index]);
        var at = random.Next(bytes.Length);
        var kind = random.Next(6);
        var (name, damaged) = kind switch
        {
            0 => ("bit flip", Change(bytes, at, 1, _ => (byte)(bytes[at] ^ (1 << random.Next(8))))),
            1 => ("zero page", Change(bytes, at / Page * Page, Page, _ => 0)),
            2 => ("garbage", Change(bytes, at, random.Next(1, 300), _ => (byte)random.Next(256))),
            3 => ("truncated tail", bytes[..at]),
            4 => ("duplicated block", [.. bytes[..at], .. bytes[(at / 2)..]]),
            _ => ("torn write", [.. bytes[..at], .. new byte[random.Next(1, 64)]]),
        };
        System.IO.File.WriteAllBytes(files[index], damaged);
        var last = index == files.Length - 1;
        // In a record's length, damage can make it reach beyond the end of the last file.
        return new Mutation(name, Path.GetFileName(files[index]), at, last);
    }

    private static byte[] Change(byte[] bytes, int at, int count, Func<int, byte> change)
    {
        var changed = (byte[])bytes.Clone();
        for (var i = at; i < Math.Min(bytes.Length, at + count); i++)
        {
            changed[i] = change(i);
        }

        return changed;
    }
}
