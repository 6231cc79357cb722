using System.Buffers.Binary;
using System.Globalization;
using KernelGateway.Contracts.Files;

namespace KernelGateway.Provisioners.Files;

/// <summary>What the kernel says of a file: the used part of struct statx, which is the same on every machine.</summary>
internal readonly record struct FileStatus(uint Mode, ulong Inode, ulong Device, long Size, DateTimeOffset ModifiedAt, string Version)
{
    internal const int Length = 256;

    private const uint TypeMask = 0xF000;

    internal FileType Type => (Mode & TypeMask) switch
    {
        0x8000 => FileType.File,
        0x4000 => FileType.Directory,
        0xA000 => FileType.Symlink,
        _ => FileType.Other,
    };

    internal int Permissions => (int)(Mode & 0x1FF);

    internal static FileStatus Read(ReadOnlySpan<byte> statx)
    {
        var inode = BinaryPrimitives.ReadUInt64LittleEndian(statx[32..]);
        var size = (long)Math.Min(BinaryPrimitives.ReadUInt64LittleEndian(statx[40..]), long.MaxValue);
        var changed = BinaryPrimitives.ReadInt64LittleEndian(statx[96..]);
        var changedNanoseconds = BinaryPrimitives.ReadUInt32LittleEndian(statx[104..]);
        var device = ((ulong)BinaryPrimitives.ReadUInt32LittleEndian(statx[136..]) << 32) | BinaryPrimitives.ReadUInt32LittleEndian(statx[140..]);
        var modifiedAt = Time(BinaryPrimitives.ReadInt64LittleEndian(statx[112..]), BinaryPrimitives.ReadUInt32LittleEndian(statx[120..]));
        return new FileStatus(BinaryPrimitives.ReadUInt16LittleEndian(statx[28..]), inode, device, size, modifiedAt, VersionOf(inode, size, changed, changedNanoseconds));
    }

    /// <summary>What changes whenever the file does.</summary>
    internal static string VersionOf(ulong inode, long size, long changed, uint changedNanoseconds) =>
        string.Create(CultureInfo.InvariantCulture, $"{inode:x}-{size:x}-{changed:x}.{changedNanoseconds:x}");

    internal FileEntry Describe(string path, string? target = null) => new(
        path,
        path == "/" ? path : path[(path.LastIndexOf('/') + 1)..],
        Type,
        Size,
        ModifiedAt,
        "0" + Convert.ToString(Permissions, 8).PadLeft(3, '0'),
        Type == FileType.File ? Version : null,
        target);

    /// <summary>Owners set any time they like, also ones that no calendar has.</summary>
    internal static DateTimeOffset Time(long seconds, uint nanoseconds)
    {
        const long Last = 253_402_300_799;
        return DateTimeOffset.FromUnixTimeSeconds(Math.Clamp(seconds, 0, Last)).AddTicks(nanoseconds / 100);
    }
}
