using System.Text.Json;
using KernelGateway.Contracts;
using KernelGateway.Core.Journals;
using KernelGateway.Core.KernelLogs;

namespace KernelGateway.Core.Commands;

/// <summary>How a command ended, as its log says. Written by a process of the sandbox: bounded and checked here.</summary>
internal static class CommandEnd
{
    private sealed record Words(int? Code, int? Signal, bool TimedOut, double? Seconds);

    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    public static Notes.CommandEndNote Read(KernelLogRecord record, bool killed, bool outOfMemory, double timeoutSeconds)
    {
        Words? said = null;
        try
        {
            said = record.Frames.Count > 0 ? JsonSerializer.Deserialize<Words>(record.Frames[0].Span, Json) : null;
        }
        catch (JsonException)
        {
            // As if it had said nothing.
        }

        if (said is null)
        {
            return Lost(ReasonCodes.Lost, "How it ended cannot be read.");
        }

        var seconds = said.Seconds is >= 0 and < 1e9 ? said.Seconds : null;
        var code = said.Signal is { } number and >= 1 and <= 64 ? 128 + number : (said.Code ?? -1) & 0xFF;
        var (reasonCode, reason) = (said, said.Signal) switch
        {
            ({ TimedOut: true }, _) => (ReasonCodes.Timeout, FormattableString.Invariant($"It ran past its time limit of {timeoutSeconds:0.###} s.")),
            (_, { } signal) when killed => (ReasonCodes.Killed, $"It was ended on request, by signal {SignalNames.Describe(signal)}."),
            (_, 9) when outOfMemory => (ReasonCodes.Oom, "It was ended because the sandbox was out of memory."),
            (_, { } signal) => (ReasonCodes.Signal, $"It was ended by signal {SignalNames.Describe(signal)}."),
            _ => ((string?)null, (string?)null),
        };
        return new Notes.CommandEndNote(false, code, seconds, reason, reasonCode, null);
    }

    public static Notes.CommandEndNote Lost(string code, string reason) => new(true, null, null, reason, code, null);
}
