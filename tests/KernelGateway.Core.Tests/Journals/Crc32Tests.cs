using System.Text;
using KernelGateway.Core.Journals;

namespace KernelGateway.Core.Tests.Journals;

[TestFixture]
[Parallelizable(ParallelScope.All)]
public sealed class Crc32Tests
{
    // The values zlib gives.
    [TestCase("", 0x00000000u)]
    [TestCase("a", 0xE8B7BE43u)]
    [TestCase("abc", 0x352441C2u)]
    [TestCase("123456789", 0xCBF43926u)]
    [TestCase("The quick brown fox jumps over the lazy dog", 0x414FA339u)]
    public void Known_vectors(string text, uint expected) =>
        Crc32.Compute(Encoding.ASCII.GetBytes(text)).Should().Be(expected);

    [Test]
    public void A_megabyte_of_zeros() => Crc32.Compute(new byte[1 << 20]).Should().Be(0xA738EA1Cu);

    [Test]
    public void Appending_in_any_two_parts_gives_the_checksum_of_the_whole()
    {
        byte[] data = new byte[100];
        new Random(3).NextBytes(data);
        uint whole = Crc32.Compute(data);
        for (int cut = 0; cut <= data.Length; cut++)
        {
            Crc32.Append(Crc32.Compute(data.AsSpan(0, cut)), data.AsSpan(cut)).Should().Be(whole, "it was cut at {0}", cut);
        }
    }
}
