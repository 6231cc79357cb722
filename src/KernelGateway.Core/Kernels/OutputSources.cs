using KernelGateway.Core.Errors;
using KernelGateway.Core.Journals;
using KernelGateway.Core.KernelLogs;
using KernelGateway.Core.Provisioning;
using KernelGateway.Jupyter;
using KernelGateway.Jupyter.Messaging;

namespace KernelGateway.Core.Kernels;

/// <summary>From where a kernel's output is read: its log when it keeps one, else its channels.</summary>
internal static class OutputSources
{
    /// <summary>Opens the source, and says how the kernel's channels are to be connected so that they feed or wake it.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.KernelFailed"/>: its log is gone.</exception>
    public static async Task<(IKernelOutputSource Source, KernelClientOptions Options)> OpenAsync(
        IHostedKernel kernel, string identity, SourcePosition? resume, bool isFoundAgain, TimeProvider time)
    {
        if (kernel.Log is { } log)
        {
            if (resume is not null && !Directory.Exists(log.Directory))
            {
                throw new GatewayException(ErrorCode.KernelFailed, "The folder of the kernel's log was removed, so that nothing it says can be read.");
            }

            var position = resume is { } r ? new KernelLogPosition(r.Segment, r.Offset, r.Sequence) : KernelLogPosition.Start;
            var source = new LogOutputSource(kernel.Id, KernelLogReader.Open(log, position, new KernelLogOptions()), time);
            return (source, new KernelClientOptions { Identity = identity, Session = identity, OnIopubActivity = source.Wake });
        }

        var channels = new IopubOutputSource();
        if (isFoundAgain)
        {
            await channels.AddGapAsync("The gateway was away while this kernel, which keeps no log, went on.");
        }

        return (channels, new KernelClientOptions
        {
            Identity = identity,
            Session = identity,
            OnIopub = message => channels.AddAsync(JournalChannel.Iopub, message),
            OnInputRequest = message => channels.AddAsync(JournalChannel.Stdin, message),

            // Runs are sent without waiting for a reply, so that one that comes after a restart of the gateway is taken as well.
            OnUnclaimedReply = message => message.MsgType == MessageTypes.ExecuteReply ? channels.AddAsync(JournalChannel.Shell, message) : ValueTask.CompletedTask,
            OnIopubDropped = fault => _ = channels.AddGapAsync($"A message of the kernel could not be kept: {fault}.").AsTask(),
            OnIopubReconnected = () => _ = channels.AddGapAsync("The connection to the kernel's output was lost for a while.").AsTask(),
        });
    }
}
