using System.Buffers.Binary;

namespace KernelGateway.Core.Journals;

/// <summary>CRC-32 as of IEEE 802.3 (zlib, PNG, Ethernet): polynomial 0xEDB88320, reflected.</summary>
/// <remarks>Slicing by eight: eight bytes a step over eight tables, about four times as fast as one table.</remarks>
internal static class Crc32
{
    private const uint Polynomial = 0xEDB88320;
    private const int TableSize = 256;

    private static readonly uint[] Tables = MakeTables();

    /// <summary>The checksum of some bytes.</summary>
    public static uint Compute(ReadOnlySpan<byte> data) => Append(0, data);

    /// <summary>The checksum of everything that gave <paramref name="crc"/> and <paramref name="data"/> after it; begin with 0.</summary>
    public static uint Append(uint crc, ReadOnlySpan<byte> data)
    {
        ReadOnlySpan<uint> tables = Tables;
        crc = ~crc;
        while (data.Length >= 8)
        {
            uint low = BinaryPrimitives.ReadUInt32LittleEndian(data) ^ crc;
            uint high = BinaryPrimitives.ReadUInt32LittleEndian(data[4..]);
            crc = tables[(7 * TableSize) + (int)(low & 0xFF)]
                ^ tables[(6 * TableSize) + (int)((low >> 8) & 0xFF)]
                ^ tables[(5 * TableSize) + (int)((low >> 16) & 0xFF)]
                ^ tables[(4 * TableSize) + (int)(low >> 24)]
                ^ tables[(3 * TableSize) + (int)(high & 0xFF)]
                ^ tables[(2 * TableSize) + (int)((high >> 8) & 0xFF)]
                ^ tables[TableSize + (int)((high >> 16) & 0xFF)]
                ^ tables[(int)(high >> 24)];
            data = data[8..];
        }

        foreach (byte value in data)
        {
            crc = tables[(int)((crc ^ value) & 0xFF)] ^ (crc >> 8);
        }

        return ~crc;
    }

    private static uint[] MakeTables()
    {
        var tables = new uint[8 * TableSize];
        for (uint index = 0; index < TableSize; index++)
        {
            uint value = index;
            for (int bit = 0; bit < 8; bit++)
            {
                value = (value & 1) == 0 ? value >> 1 : (value >> 1) ^ Polynomial;
            }

            tables[index] = value;
        }

        // Table n gives the effect of a byte that n more zero bytes follow.
        for (int index = TableSize; index < tables.Length; index++)
        {
            uint before = tables[index - TableSize];
            tables[index] = tables[before & 0xFF] ^ (before >> 8);
        }

        return tables;
    }
}
