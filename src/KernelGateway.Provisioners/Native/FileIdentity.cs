using System.Buffers.Binary;
using System.Runtime.InteropServices;
using KernelGateway.Core.Policies;
using Microsoft.Win32.SafeHandles;

namespace KernelGateway.Provisioners.Native;

/// <summary>What an opened entry of the host is, and whose.</summary>
/// <param name="Mode">Type and permissions.</param>
/// <param name="Uid">Owner.</param>
/// <param name="Gid">Group.</param>
/// <param name="Size">Bytes.</param>
internal readonly record struct FileIdentity(ushort Mode, uint Uid, uint Gid, ulong Size)
{
    private const uint Basic = 0x7FF;

    internal EntryKind Kind => (Mode & 0xF000) switch
    {
        0x4000 => EntryKind.Folder,
        0xA000 => EntryKind.Link,
        _ => EntryKind.File,
    };

    internal int Permissions => Mode & 0xFFF;

    /// <exception cref="IOException">It cannot be asked.</exception>
    internal static FileIdentity Of(SafeFileHandle entry) => Of((int)entry.DangerousGetHandle());

    /// <exception cref="IOException">It cannot be asked.</exception>
    internal static unsafe FileIdentity Of(int descriptor)
    {
        // struct statx: the same on every machine, unlike struct stat.
        var buffer = stackalloc byte[256];
        if (LibC.StatX(descriptor, "", LibC.AtEmptyPath, Basic, buffer) != 0)
        {
            throw new IOException(Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError()));
        }

        var stat = new ReadOnlySpan<byte>(buffer, 256);
        return new FileIdentity(
            BinaryPrimitives.ReadUInt16LittleEndian(stat[28..]),
            BinaryPrimitives.ReadUInt32LittleEndian(stat[20..]),
            BinaryPrimitives.ReadUInt32LittleEndian(stat[24..]),
            BinaryPrimitives.ReadUInt64LittleEndian(stat[40..]));
    }
}
