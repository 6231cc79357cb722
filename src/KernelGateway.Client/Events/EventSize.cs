using System.Runtime.InteropServices;
using System.Text.Json;
using KernelGateway.Contracts.Events;

namespace KernelGateway.Client.Events;

/// <summary>About how much memory an event holds, bytes.</summary>
internal static class EventSize
{
    private const int Fixed = 256;

    public static long Of(SandboxEvent e) => Fixed + e switch
    {
        OutputEvent output => 2L * output.Text.Length,
        CommandOutputEvent output => 2L * ((output.Text?.Length ?? 0) + (output.Base64?.Length ?? 0)),
        CommandStartedEvent started => 2L * ((started.Command?.Length ?? 0) + (started.Argv?.Sum(word => (long)word.Length) ?? 0)),
        ExecutionQueuedEvent queued => 2L * queued.Code.Length,
        ErrorEvent error => 2L * (error.Value.Length + error.Traceback.Sum(line => (long)line.Length)),
        ResultEvent result => Of(result.Data) + Of(result.Metadata),
        DisplayEvent display => Of(display.Data) + Of(display.Metadata),
        KernelMessageEvent message => Of(message.Content),
        _ => 0,
    };

    public static long Of(IReadOnlyDictionary<string, JsonElement> data) => data.Sum(entry => (2L * entry.Key.Length) + Of(entry.Value));

    private static long Of(JsonElement? value) => value is { ValueKind: not JsonValueKind.Undefined } present ? JsonMarshal.GetRawUtf8Value(present).Length : 0;
}
