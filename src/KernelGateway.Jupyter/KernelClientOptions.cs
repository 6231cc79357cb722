using KernelGateway.Jupyter.Messaging;
using Microsoft.Win32.SafeHandles;

namespace KernelGateway.Jupyter;

/// <summary>How a <see cref="KernelClient"/> connects, and whom it tells what it hears.</summary>
public sealed record KernelClientOptions
{
    /// <summary>The session id in the headers of its requests.</summary>
    public string Session { get; init; } = Guid.NewGuid().ToString("N");

    /// <summary>The user name in the headers of its requests.</summary>
    public string Username { get; init; } = "kernel-gateway";

    /// <summary>The ZeroMQ routing id of its DEALER sockets, kept over reconnects; at most 255 bytes. Private to one client.</summary>
    public string Identity { get; init; } = Guid.NewGuid().ToString("N");

    /// <summary>A message over this many bytes is drained and dropped; the connection lives on. Default 32 MiB.</summary>
    public int MaxMessageBytes { get; init; } = 32 << 20;

    /// <summary>How long the first connection of each channel may take. Default 30 s.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a send may wait for a kernel that does not read. Default 30 s.</summary>
    public TimeSpan SendTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>For ipc: the opened folder of the sockets; only the last part of their names counts then, and no link is followed. Must live as long as the client.</summary>
    public SafeFileHandle? SocketDirectory { get; init; }

    /// <summary>For ipc without <see cref="SocketDirectory"/>: refuse when a part of the path is a symbolic link.</summary>
    public bool NoFollow { get; init; }

    /// <summary>The uid that must listen on the ipc sockets; checked before a byte is sent.</summary>
    public uint? ExpectedPeerUid { get; init; }

    /// <summary>How many requests may wait for their reply at once; one more is refused. Default 4096.</summary>
    public int MaxPendingRequests { get; init; } = 4096;

    /// <summary>The clock for time-outs and headers.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    /// <summary>Is given every IOPub message in order; not completing pushes back on the kernel. If it throws, the client fails with that.</summary>
    public Func<JupyterMessage, ValueTask>? OnIopub { get; init; }

    /// <summary>When set, IOPub is only a wake-up call: this is called for each message, which is neither verified nor read.</summary>
    public Action? OnIopubActivity { get; init; }

    /// <summary>
    /// Is called when IOPub was connected again: what was published in between is lost. In order: after the last message
    /// from before the cut and before the first one after it.
    /// </summary>
    public Action? OnIopubReconnected { get; init; }

    /// <summary>Is called, in order, for an IOPub message that was dropped, with the reason; not where IOPub is only a wake-up call.</summary>
    public Action<MessageFault>? OnIopubDropped { get; init; }

    /// <summary>
    /// Is given, in order, what came on shell and nobody waits for: replies to what was sent by <see cref="KernelClient.SendAsync"/>,
    /// perhaps by an earlier client of the same <see cref="Identity"/>. Of one that was too large <see cref="OnIopubDropped"/> is told.
    /// </summary>
    public Func<JupyterMessage, ValueTask>? OnUnclaimedReply { get; init; }

    /// <summary>Is given every input_request.</summary>
    public Func<JupyterMessage, ValueTask>? OnInputRequest { get; init; }

    /// <summary>
    /// The last step of <see cref="KernelClient.WaitForReadyAsync"/>, for an owner who reads the output elsewhere: is given
    /// the ids of the kernel_info_requests sent and completes when the output of one of them is there.
    /// </summary>
    public Func<IReadOnlyList<string>, CancellationToken, Task>? ConfirmReady { get; init; }

    /// <summary>How the kernel is interrupted when its kernelspec says <c>signal</c>; null: by an interrupt_request.</summary>
    public Func<CancellationToken, Task>? InterruptBySignal { get; init; }
}
