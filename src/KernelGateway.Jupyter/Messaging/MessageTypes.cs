using System.Collections.Frozen;

namespace KernelGateway.Jupyter.Messaging;

/// <summary>
/// The message types of the Jupyter messaging protocol 5.4 (sections "Messages on the shell, IOPub, stdin and control
/// channels"). Kernels may send others; those pass through as they are.
/// </summary>
public static class MessageTypes
{
    /// <summary>Shell: run code.</summary>
    public const string ExecuteRequest = "execute_request";

    /// <summary>Shell: the run has ended.</summary>
    public const string ExecuteReply = "execute_reply";

    /// <summary>Shell: completions at a cursor.</summary>
    public const string CompleteRequest = "complete_request";

    /// <summary>Shell: answer to <see cref="CompleteRequest"/>.</summary>
    public const string CompleteReply = "complete_reply";

    /// <summary>Shell: documentation at a cursor.</summary>
    public const string InspectRequest = "inspect_request";

    /// <summary>Shell: answer to <see cref="InspectRequest"/>.</summary>
    public const string InspectReply = "inspect_reply";

    /// <summary>Shell: is this code a whole statement.</summary>
    public const string IsCompleteRequest = "is_complete_request";

    /// <summary>Shell: answer to <see cref="IsCompleteRequest"/>.</summary>
    public const string IsCompleteReply = "is_complete_reply";

    /// <summary>Shell: earlier inputs.</summary>
    public const string HistoryRequest = "history_request";

    /// <summary>Shell: answer to <see cref="HistoryRequest"/>.</summary>
    public const string HistoryReply = "history_reply";

    /// <summary>Shell or control: what the kernel is.</summary>
    public const string KernelInfoRequest = "kernel_info_request";

    /// <summary>Shell or control: answer to <see cref="KernelInfoRequest"/>.</summary>
    public const string KernelInfoReply = "kernel_info_reply";

    /// <summary>Shell: the open comms.</summary>
    public const string CommInfoRequest = "comm_info_request";

    /// <summary>Shell: answer to <see cref="CommInfoRequest"/>.</summary>
    public const string CommInfoReply = "comm_info_reply";

    /// <summary>Shell and IOPub: a comm opens.</summary>
    public const string CommOpen = "comm_open";

    /// <summary>Shell and IOPub: data on a comm.</summary>
    public const string CommMsg = "comm_msg";

    /// <summary>Shell and IOPub: a comm closes.</summary>
    public const string CommClose = "comm_close";

    /// <summary>Control: end the kernel.</summary>
    public const string ShutdownRequest = "shutdown_request";

    /// <summary>Control (and IOPub of older kernels): answer to <see cref="ShutdownRequest"/>.</summary>
    public const string ShutdownReply = "shutdown_reply";

    /// <summary>Control: interrupt what runs (kernels whose interrupt_mode is "message").</summary>
    public const string InterruptRequest = "interrupt_request";

    /// <summary>Control: answer to <see cref="InterruptRequest"/>.</summary>
    public const string InterruptReply = "interrupt_reply";

    /// <summary>Control: a debug adapter request.</summary>
    public const string DebugRequest = "debug_request";

    /// <summary>Control: answer to <see cref="DebugRequest"/>.</summary>
    public const string DebugReply = "debug_reply";

    /// <summary>IOPub: a debug adapter event.</summary>
    public const string DebugEvent = "debug_event";

    /// <summary>IOPub: text on stdout or stderr.</summary>
    public const string Stream = "stream";

    /// <summary>IOPub: a rich output.</summary>
    public const string DisplayData = "display_data";

    /// <summary>IOPub: a rich output shown before changes.</summary>
    public const string UpdateDisplayData = "update_display_data";

    /// <summary>IOPub: the code that runs now.</summary>
    public const string ExecuteInput = "execute_input";

    /// <summary>IOPub: the value of the last expression.</summary>
    public const string ExecuteResult = "execute_result";

    /// <summary>IOPub: user code raised.</summary>
    public const string Error = "error";

    /// <summary>IOPub: busy, idle or starting.</summary>
    public const string Status = "status";

    /// <summary>IOPub: outputs shown so far are to be cleared.</summary>
    public const string ClearOutput = "clear_output";

    /// <summary>IOPub: a subscription is in place (JEP 65).</summary>
    public const string IopubWelcome = "iopub_welcome";

    /// <summary>Stdin: the kernel asks for a line.</summary>
    public const string InputRequest = "input_request";

    /// <summary>Stdin: the line asked for.</summary>
    public const string InputReply = "input_reply";

    private static readonly FrozenSet<string>.AlternateLookup<ReadOnlySpan<char>> Known = new[]
    {
        ExecuteRequest, ExecuteReply, CompleteRequest, CompleteReply, InspectRequest, InspectReply, IsCompleteRequest,
        IsCompleteReply, HistoryRequest, HistoryReply, KernelInfoRequest, KernelInfoReply, CommInfoRequest,
        CommInfoReply, CommOpen, CommMsg, CommClose, ShutdownRequest, ShutdownReply, InterruptRequest, InterruptReply,
        DebugRequest, DebugReply, DebugEvent, Stream, DisplayData, UpdateDisplayData, ExecuteInput, ExecuteResult,
        Error, Status, ClearOutput, IopubWelcome, InputRequest, InputReply,
    }.ToFrozenSet(StringComparer.Ordinal).GetAlternateLookup<ReadOnlySpan<char>>();

    /// <summary>The constant that equals the given text, so that 100,000 outputs do not make 100,000 equal strings.</summary>
    internal static string? FindKnown(ReadOnlySpan<char> text) => Known.TryGetValue(text, out var known) ? known : null;
}
