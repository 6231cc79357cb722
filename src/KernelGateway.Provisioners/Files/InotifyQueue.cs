using System.Buffers.Binary;
using System.Runtime.InteropServices;
using KernelGateway.Core.Errors;
using KernelGateway.Provisioners.Native;

namespace KernelGateway.Provisioners.Files;

/// <summary>One change that the kernel tells.</summary>
/// <param name="Folder">The watch descriptor of the folder it is in.</param>
/// <param name="Mask">What happened, bits of inotify(7).</param>
/// <param name="Cookie">The same for both halves of a move.</param>
/// <param name="Name">What it happened to; empty: the folder itself.</param>
internal readonly record struct InotifyEvent(int Folder, uint Mask, uint Cookie, byte[] Name)
{
    private const uint FolderBit = 0x4000_0000;

    internal bool IsFolder => Is(FolderBit);

    internal bool Is(uint anyOf) => (Mask & anyOf) != 0;
}

/// <summary>A queue of the kernel's for changes of files. It is bounded; when it drops some, it tells that.</summary>
internal sealed class InotifyQueue : IDisposable
{
    private const int EventHeader = 16;
    private const int BufferSize = 64 << 10;
    private const ulong WaitingBytes = 0x541B; // FIONREAD

    private readonly PathHandle _descriptor;
    private readonly byte[] _buffer = new byte[BufferSize];

    internal InotifyQueue()
    {
        _descriptor = new PathHandle(LibC.InotifyInit(LibC.InotifyCloseOnExec | LibC.InotifyNonBlocking));
        if (_descriptor.IsInvalid)
        {
            throw new GatewayException(ErrorCode.LimitReached, $"The host can watch no more folders ({Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}). End a watch, or raise fs.inotify.max_user_instances.");
        }
    }

    /// <summary>The descriptor, to add folders to.</summary>
    internal int Number => _descriptor.Number;

    /// <summary>Whether more events are there already.</summary>
    internal unsafe bool HasMore
    {
        get
        {
            int waiting;
            return LibC.Control(_descriptor, WaitingBytes, &waiting) == 0 && waiting > 0;
        }
    }

    /// <summary>Waits until there is something to read; false when the waiting was ended.</summary>
    internal async Task<bool> WaitAsync(CancellationToken cancellationToken)
    {
        var (id, readable) = DescriptorWatch.Start(Number);
        try
        {
            await readable.WaitAsync(cancellationToken);
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
        finally
        {
            DescriptorWatch.Forget(id);
        }
    }

    /// <summary>The events that wait, as many as are read at once; none when there are none after all. To be gone through once, before the next call.</summary>
    internal IEnumerable<InotifyEvent> Read()
    {
        var length = ReadEvents();
        for (var at = 0; at + EventHeader <= length;)
        {
            yield return Parse(at, out at);
        }
    }

    /// <summary>Watches a folder no more.</summary>
    internal void Remove(int folder) => _ = LibC.InotifyRemoveWatch(Number, folder);

    public void Dispose() => _descriptor.Dispose();

    private unsafe int ReadEvents()
    {
        fixed (byte* buffer = _buffer)
        {
            return (int)Math.Max(0, LibC.Read(Number, buffer, BufferSize));
        }
    }

    /// <summary>struct inotify_event: i32 descriptor, u32 mask, u32 cookie, u32 length of the name, which is padded with NUL.</summary>
    private InotifyEvent Parse(int at, out int next)
    {
        var header = _buffer.AsSpan(at);
        var size = (int)BinaryPrimitives.ReadUInt32LittleEndian(header[12..]);
        var padded = header.Slice(EventHeader, size);
        next = at + EventHeader + size;
        return new InotifyEvent(
            BinaryPrimitives.ReadInt32LittleEndian(header),
            BinaryPrimitives.ReadUInt32LittleEndian(header[4..]),
            BinaryPrimitives.ReadUInt32LittleEndian(header[8..]),
            padded[..(padded.IndexOf((byte)0) is >= 0 and var end ? end : size)].ToArray());
    }
}
