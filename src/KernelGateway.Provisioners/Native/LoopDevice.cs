using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace KernelGateway.Provisioners.Native;

/// <summary>Makes a file look like a disk for as long as it is mounted.</summary>
internal static class LoopDevice
{
    internal const string ControlPath = "/dev/loop-control";

    private const ulong ControlGetFree = 0x4C82;
    private const ulong Configure = 0x4C0A;
    private const uint FlagReadOnly = 1;
    private const uint FlagAutoClear = 4;
    private const uint FlagDirectIo = 16;

    // struct loop_config of linux/loop.h: descriptor, block size, struct loop_info64, reserved.
    private const int ConfigSize = 304;
    private const int FlagsAt = 60;
    private const int NameAt = 64;
    private const int NameLength = 63;

    /// <summary>Somebody else may take the free device that was found; this often in a row is no coincidence.</summary>
    private const int Attempts = 64;

    /// <summary>Mounts the file system in an image.</summary>
    /// <param name="image">The file. Only ever one that this gateway or its operator has made.</param>
    /// <param name="target">An existing folder.</param>
    /// <param name="fileSystem">For example <c>ext4</c>.</param>
    /// <param name="flags">Flags of mount(2); with <see cref="LibC.MountReadOnly"/> the file is opened for reading only.</param>
    /// <param name="data">Options of the file system.</param>
    /// <exception cref="IOException">With what the host lacks.</exception>
    internal static void Mount(string image, string target, string fileSystem, ulong flags, string? data)
    {
        var readOnly = (flags & LibC.MountReadOnly) != 0;
        using var file = new FileStream(image, FileMode.Open, readOnly ? FileAccess.Read : FileAccess.ReadWrite, FileShare.ReadWrite);
        using var device = Attach(file.SafeFileHandle, image, readOnly, out var path);
        if (LibC.Mount(path, target, fileSystem, flags, data) != 0)
        {
            throw new IOException($"{fileSystem} on {path} could not be mounted: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}.");
        }
    }

    /// <summary>The device lets go of the file by itself when it is neither open nor mounted: whatever becomes of this process, none is left behind.</summary>
    private static unsafe SafeFileHandle Attach(SafeFileHandle file, string image, bool readOnly, out string path)
    {
        using var control = File.OpenHandle(ControlPath, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        var config = stackalloc byte[ConfigSize];
        var span = new Span<byte>(config, ConfigSize);
        span.Clear();
        BinaryPrimitives.WriteInt32LittleEndian(span, (int)file.DangerousGetHandle());
        // Direct: what is cached is the sandbox's own page cache, not once more that of the host.
        BinaryPrimitives.WriteUInt32LittleEndian(span[FlagsAt..], FlagAutoClear | FlagDirectIo | (readOnly ? FlagReadOnly : 0));
        var name = Encoding.UTF8.GetBytes(image);
        name.AsSpan(0, Math.Min(name.Length, NameLength)).CopyTo(span[NameAt..]);
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            var number = LibC.Control(control, ControlGetFree, null);
            if (number < 0)
            {
                break;
            }

            path = string.Create(CultureInfo.InvariantCulture, $"/dev/loop{number}");
            var device = File.OpenHandle(path, FileMode.Open, readOnly ? FileAccess.Read : FileAccess.ReadWrite, FileShare.ReadWrite);
            if (LibC.Control(device, Configure, config) == 0)
            {
                return device;
            }

            var error = Marshal.GetLastPInvokeError();
            device.Dispose();
            if (error != LibC.Ebusy)
            {
                throw new IOException($"{path} could not take {image}: {Marshal.GetPInvokeErrorMessage(error)}.");
            }
        }

        throw new IOException($"No loop device is free: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}.");
    }
}
