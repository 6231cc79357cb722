using KernelGateway.Jupyter.Messaging;
using KernelGateway.Jupyter.Zmtp;

namespace KernelGateway.Jupyter;

/// <summary>The way to a kernel's channels: sockets of its own, or the WebSocket of the server that it lives in. What arrives goes to the <see cref="KernelClient"/>.</summary>
internal interface IKernelChannels : IAsyncDisposable
{
    /// <summary>Connects all channels and begins to read them.</summary>
    /// <exception cref="KernelException">The kernel cannot be reached.</exception>
    /// <exception cref="ZmtpException">The same, told by a socket.</exception>
    Task OpenAsync(CancellationToken cancellationToken);

    /// <summary>Sends a message on shell, control or stdin; done when it is with the operating system.</summary>
    ValueTask SendAsync(KernelChannel channel, JupyterMessage message, CancellationToken cancellationToken);

    /// <summary>Measures how long whoever is at the other end takes to answer.</summary>
    Task<TimeSpan> PingAsync(CancellationToken cancellationToken);
}
