using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.ComponentModel;
using System.Runtime.InteropServices;

namespace KernelGateway.Provisioners.Native;

/// <summary>Turns "this descriptor became readable" into a completed task: one background thread for all pidfds and inotify descriptors.</summary>
/// <remarks>The framework waits only for sockets and for processes it has started itself; those in a container, and those from before a restart of the gateway, are not.</remarks>
internal sealed class DescriptorWatch
{
    private static readonly Lazy<DescriptorWatch> Instance = new(() => new DescriptorWatch());

    // struct epoll_event is packed on x64 only.
    private static readonly int DataOffset = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 4 : 8;
    private static readonly int EventSize = DataOffset + 8;

    private readonly ConcurrentDictionary<long, TaskCompletionSource> _waiting = new();
    private readonly int _epoll;
    private long _next;

    private DescriptorWatch()
    {
        _epoll = LibC.EpollCreate(LibC.EpollCloseOnExec);
        if (_epoll < 0)
        {
            throw new Win32Exception(Marshal.GetLastPInvokeError());
        }

        new Thread(Run) { IsBackground = true, Name = "descriptor-watch" }.Start();
    }

    /// <summary>The task completes once, when the descriptor is readable; a descriptor can be watched again after that. Closing the descriptor ends the watch; call <see cref="Forget"/> before.</summary>
    internal static (long Id, Task Readable) Start(int descriptor) => Instance.Value.Watch(descriptor);

    /// <summary>Ends a watch; its task, if it has not completed, never will.</summary>
    internal static void Forget(long id) => Instance.Value._waiting.TryRemove(id, out _);

    private unsafe (long Id, Task Readable) Watch(int descriptor)
    {
        var id = Interlocked.Increment(ref _next);
        var readable = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _waiting[id] = readable;
        var entry = stackalloc byte[16];
        var span = new Span<byte>(entry, 16);
        BinaryPrimitives.WriteUInt32LittleEndian(span, LibC.EpollIn | LibC.EpollOneShot);
        BinaryPrimitives.WriteInt64LittleEndian(span[DataOffset..], id);
        if (LibC.EpollControl(_epoll, LibC.EpollAdd, descriptor, entry) != 0
            && (Marshal.GetLastPInvokeError() != LibC.Eexist || LibC.EpollControl(_epoll, LibC.EpollModify, descriptor, entry) != 0))
        {
            _waiting.TryRemove(id, out _);
            throw new Win32Exception(Marshal.GetLastPInvokeError());
        }

        return (id, readable.Task);
    }

    private unsafe void Run()
    {
        var events = stackalloc byte[16 * 32];
        while (true)
        {
            var count = LibC.EpollWait(_epoll, events, 32, -1);
            for (var i = 0; i < count; i++)
            {
                var id = BinaryPrimitives.ReadInt64LittleEndian(new ReadOnlySpan<byte>(events + (i * EventSize) + DataOffset, 8));
                if (_waiting.TryRemove(id, out var readable))
                {
                    readable.TrySetResult();
                }
            }
        }
    }
}
