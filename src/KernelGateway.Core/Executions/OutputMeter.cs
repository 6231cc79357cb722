using KernelGateway.Contracts.Executions;
using KernelGateway.Core.Journals;
using KernelGateway.Jupyter.Messaging;

namespace KernelGateway.Core.Executions;

/// <summary>Counts what one execution puts out, and says what is too much to keep. Its session is the only caller.</summary>
internal sealed class OutputMeter
{
    private long _messages;
    private long _bytes;
    private long _droppedMessages;
    private long _droppedBytes;
    private long _stdoutLine;
    private long _stderrLine;

    /// <summary>The counters as they stand.</summary>
    public OutputCounters Counters => new(_messages, _bytes, _droppedMessages, _droppedBytes);

    /// <summary>Why this output is not to be kept; null when it is, or when it is no output.</summary>
    public string? Refuse(string messageType, JournalEntry entry, long maxMessages, long maxBytes, long maxLineBytes)
    {
        if (!IsOutput(messageType) || entry.Channel != JournalChannel.Iopub)
        {
            return null;
        }

        var size = SizeOf(entry);
        var reason = _messages >= maxMessages ? $"The execution put out more than {maxMessages} messages."
            : _bytes + size > maxBytes ? $"The execution put out more than {maxBytes} bytes."
            : messageType == MessageTypes.Stream && IsOverLine(entry, maxLineBytes) ? $"A line was longer than {maxLineBytes} bytes."
            : null;
        if (reason is null)
        {
            _messages++;
            _bytes += size;
        }

        return reason;
    }

    /// <summary>Counts output that was left out.</summary>
    public void Drop(long messages, long bytes)
    {
        _droppedMessages += messages;
        _droppedBytes += bytes;
    }

    /// <summary>Counts an output that is read back from the journal.</summary>
    public void Replay(string messageType, JournalEntry entry)
    {
        if (IsOutput(messageType) && entry.Channel == JournalChannel.Iopub)
        {
            _messages++;
            _bytes += SizeOf(entry);
        }
    }

    /// <summary>What an entry counts for, bytes.</summary>
    public static long SizeOf(JournalEntry entry)
    {
        long size = 0;
        for (var i = 3; i < entry.Frames.Count; i++)
        {
            size += entry.Frames[i].Length;
        }

        return size;
    }

    private bool IsOverLine(JournalEntry entry, long max)
    {
        var content = entry.Frames[3].Span;
        ref var line = ref content.IndexOf("\"stderr\""u8) is >= 0 and < 64 ? ref _stderrLine : ref _stdoutLine;

        // In JSON a newline is the two bytes \n. That "\\n" in a text looks the same only makes a line count as shorter.
        var end = content.LastIndexOf("\\n"u8);
        line = end < 0 ? line + content.Length : content.Length - end;
        return end < 0 && line > max;
    }

    private static bool IsOutput(string messageType) => messageType is MessageTypes.Stream or MessageTypes.DisplayData
        or MessageTypes.UpdateDisplayData or MessageTypes.ExecuteResult or MessageTypes.ClearOutput
        or MessageTypes.CommOpen or MessageTypes.CommMsg or MessageTypes.CommClose;
}
