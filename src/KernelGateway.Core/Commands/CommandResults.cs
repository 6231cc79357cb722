using System.Text;
using KernelGateway.Contracts.Commands;
using KernelGateway.Core.Journals;

namespace KernelGateway.Core.Commands;

/// <summary>Gathers what one command put out from the journal, up to a size.</summary>
internal static class CommandResults
{
    public static async Task<CommandResult> GatherAsync(Journal journal, Command command, int maxBytes, CancellationToken cancellationToken)
    {
        using var stdout = new MemoryStream();
        using var stderr = new MemoryStream();
        var truncated = false;
        var info = command.Info;
        await foreach (var entry in journal.ReadAsync(info.FirstSequence - 1, follow: false, cancellationToken))
        {
            var isOutput = entry.Kind == JournalEntryKind.CommandOutput && entry.ExecutionId == command.Id;
            truncated |= entry.Kind == JournalEntryKind.Truncated || (entry.Kind == JournalEntryKind.Omitted && entry.ExecutionId == command.Id);
            if (isOutput && !truncated)
            {
                var bytes = entry.Frames[1];
                var room = (int)Math.Min(bytes.Length, maxBytes - stdout.Length - stderr.Length);
                (entry.Frames[0].Span.SequenceEqual("stderr"u8) ? stderr : stdout).Write(bytes.Span[..room]);
                truncated = room < bytes.Length;
            }

            if (entry.Sequence >= info.LastSequence)
            {
                break;
            }
        }

        return new CommandResult(Text(stdout), Text(stderr), truncated);
    }

    private static string Text(MemoryStream bytes) => Encoding.UTF8.GetString(bytes.GetBuffer(), 0, (int)bytes.Length);
}
