using KernelGateway.Contracts;
using KernelGateway.Core.Journals;
using KernelGateway.Jupyter.Messaging;
using Newtonsoft.Json.Linq;

namespace KernelGateway.Core.Kernels;

/// <summary>Makes outputs from the frames of kernel messages.</summary>
internal static class KernelOutputs
{
    /// <param name="channel">Where it came from.</param>
    /// <param name="frames">Header, parent header, metadata, content, buffers.</param>
    /// <param name="source">Its place in the kernel's log, if it has one.</param>
    /// <param name="omitted">True when the content only says what was left out.</param>
    public static KernelOutput FromFrames(JournalChannel channel, IReadOnlyList<ReadOnlyMemory<byte>> frames, SourcePosition? source, bool omitted)
    {
        var fault = JupyterMessage.TryParse(frames, out var message);
        if (message is null)
        {
            return Omitted(null, $"The message is malformed ({fault}).", "", frames.Sum(f => (long)f.Length), null, source);
        }

        return omitted
            ? Omitted(ReasonCodes.Output, "The message is too large.", message.MsgType, message.Content["size"] is JValue { Value: long size } ? size : 0, message.ParentMsgId, source)
            : FromMessage(channel, message, frames, source);
    }

    /// <summary>An output that is a message as it came.</summary>
    public static KernelOutput FromMessage(JournalChannel channel, JupyterMessage message, IReadOnlyList<ReadOnlyMemory<byte>>? frames = null, SourcePosition? source = null) =>
        new(
            new JournalEntry
            {
                Kind = JournalEntryKind.KernelMessage,
                Channel = channel,
                Source = source,
                Frames = frames ?? [message.HeaderBytes, message.ParentHeaderBytes, message.MetadataBytes, message.ContentBytes, .. message.Buffers],
            },
            message.MsgType,
            message.ParentMsgId);

    /// <summary>An output that says that something may be missing.</summary>
    public static KernelOutput Gap(string reason, SourcePosition? source = null) =>
        new(new JournalEntry { Kind = JournalEntryKind.Gap, Source = source, Frames = Notes.Frame(new Notes.GapNote(reason)) }, "", null);

    private static KernelOutput Omitted(string? code, string reason, string messageType, long bytes, string? parent, SourcePosition? source) =>
        new(
            new JournalEntry
            {
                Kind = JournalEntryKind.Omitted,
                Source = source,
                Frames = Notes.Frame(new Notes.OmittedNote(reason, messageType, 1, bytes, code)),
            },
            "",
            parent);
}
