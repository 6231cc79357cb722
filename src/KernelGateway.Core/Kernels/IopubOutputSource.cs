using System.Threading.Channels;
using KernelGateway.Core.Journals;
using KernelGateway.Jupyter.Messaging;

namespace KernelGateway.Core.Kernels;

/// <summary>Reads a kernel that keeps no log from its IOPub channel; a full buffer pushes back on the kernel's socket.</summary>
internal sealed class IopubOutputSource : IKernelOutputSource
{
    private readonly Channel<KernelOutput> _outputs = Channel.CreateBounded<KernelOutput>(new BoundedChannelOptions(64) { SingleReader = true });

    /// <summary>Takes a message; waits while the buffer is full.</summary>
    public ValueTask AddAsync(JournalChannel channel, JupyterMessage message) =>
        _outputs.Writer.WriteAsync(KernelOutputs.FromMessage(channel, message));

    /// <summary>Says that nobody listened for a while.</summary>
    public ValueTask AddGapAsync(string reason) =>
        _outputs.Writer.WriteAsync(KernelOutputs.Gap(reason));

    public bool TryRead(out KernelOutput output) => _outputs.Reader.TryRead(out output);

    public async ValueTask WaitAsync(CancellationToken cancellationToken) => await _outputs.Reader.WaitToReadAsync(cancellationToken);

    public void Acknowledge()
    {
    }

    public void Dispose() => _outputs.Writer.TryComplete();
}
