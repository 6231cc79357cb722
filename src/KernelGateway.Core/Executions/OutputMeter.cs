using KernelGateway.Contracts;
using KernelGateway.Contracts.Executions;
using KernelGateway.Core.Journals;
using KernelGateway.Core.Sandboxes;
using KernelGateway.Jupyter.Messaging;

namespace KernelGateway.Core.Executions;

/// <summary>Counts what one execution puts out, and says what is too much to keep. Its session is the only caller.</summary>
internal sealed class OutputMeter
{
    private long _messages;
    private long _bytes;
    private long _droppedMessages;
    private long _droppedBytes;
    private readonly RateMeter _rate = new();
    private DateTimeOffset? _lastReplayed;
    private long _stdoutLine;
    private long _stderrLine;

    /// <summary>The counters as they stand.</summary>
    public OutputCounters Counters => new(_messages, _bytes, _droppedMessages, _droppedBytes);

    /// <summary>Why this output is not to be kept; null when it is, or when it is no output.</summary>
    /// <param name="messageType">The msg_type.</param>
    /// <param name="entry">The message.</param>
    /// <param name="limits">What may be kept.</param>
    /// <param name="now">On a clock that only goes forward.</param>
    public Refusal? Refuse(string messageType, JournalEntry entry, SandboxOptions limits, TimeSpan now)
    {
        if (!IsOutput(messageType) || entry.Channel != JournalChannel.Iopub)
        {
            return null;
        }

        var size = SizeOf(entry);
        var reason = _messages >= limits.MaxOutputMessages ? $"The execution put out more than {limits.MaxOutputMessages} messages."
            : _bytes + size > limits.MaxOutputBytes ? $"The execution put out more than {limits.MaxOutputBytes} bytes."
            : messageType == MessageTypes.Stream && IsOverLine(entry, limits.MaxLineBytes) ? $"A line was longer than {limits.MaxLineBytes} bytes."
            : null;
        if (reason is not null)
        {
            return new Refusal(ReasonCodes.Output, reason);
        }

        if (IsUpdate(messageType) && !_rate.Take(size, now, limits))
        {
            return new Refusal(ReasonCodes.Rate, $"Displays were updated more than {limits.MaxUpdatesPerSecond} times or with more than {limits.MaxUpdateBytesPerSecond} bytes in a second.");
        }

        _messages++;
        _bytes += size;
        return null;
    }

    /// <summary>Why a piece of a command's output is not to be kept; null when it is.</summary>
    /// <param name="size">Its bytes.</param>
    /// <param name="limits">What may be kept.</param>
    public Refusal? RefusePiece(long size, SandboxOptions limits)
    {
        var reason = _messages >= limits.MaxOutputMessages ? $"The command put out more than {limits.MaxOutputMessages} pieces."
            : _bytes + size > limits.MaxOutputBytes ? $"The command put out more than {limits.MaxOutputBytes} bytes."
            : null;
        if (reason is not null)
        {
            return new Refusal(ReasonCodes.Output, reason);
        }

        CountPiece(size);
        return null;
    }

    /// <summary>Counts a piece of a command's output that is kept.</summary>
    public void CountPiece(long size)
    {
        _messages++;
        _bytes += size;
    }

    /// <summary>The gateway was away: what comes now was not said at once.</summary>
    public void ComeBack(DateTimeOffset now, DateTimeOffset began) => _rate.Allow(now - (_lastReplayed ?? began));

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
            _lastReplayed = entry.Time;
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

    /// <summary>What replaces something shown before. Text, results and new displays are never too fast: they would be lost.</summary>
    private static bool IsUpdate(string messageType) =>
        messageType is MessageTypes.UpdateDisplayData or MessageTypes.ClearOutput or MessageTypes.CommMsg;

    private static bool IsOutput(string messageType) => messageType is MessageTypes.Stream or MessageTypes.DisplayData
        or MessageTypes.UpdateDisplayData or MessageTypes.ExecuteResult or MessageTypes.ClearOutput
        or MessageTypes.CommOpen or MessageTypes.CommMsg or MessageTypes.CommClose;
}

/// <summary>Why an output is not kept.</summary>
/// <param name="Code"><see cref="ReasonCodes.Output"/> or <see cref="ReasonCodes.Rate"/>.</param>
/// <param name="Reason">The same in a sentence.</param>
internal readonly record struct Refusal(string Code, string Reason);
