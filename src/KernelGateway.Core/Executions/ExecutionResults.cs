using System.Text;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Executions;
using KernelGateway.Core.Journals;

namespace KernelGateway.Core.Executions;

/// <summary>Gathers what one run printed and returned from the journal, up to a size.</summary>
internal static class ExecutionResults
{
    public static async Task<ExecutionResult> GatherAsync(Journal journal, Execution execution, int maxBytes, CancellationToken cancellationToken)
    {
        var stdout = new StringBuilder();
        var stderr = new StringBuilder();
        var results = new List<RichResult>();
        CodeError? error = null;
        var truncated = false;
        var room = (long)maxBytes;
        var info = execution.Info;
        await foreach (var entry in journal.ReadAsync(info.FirstSequence - 1, follow: false, cancellationToken))
        {
            if (entry.Kind == JournalEntryKind.Truncated) // Entries of any execution may be among those that are gone.
            {
                truncated = true;
            }

            if (entry.ExecutionId == execution.Id)
            {
                var size = entry.Frames.Sum(f => (long)f.Length);
                switch (EventProjection.Project(entry))
                {
                    case OutputEvent output:
                        var text = output.Stream == "stdout" ? stdout : stderr;
                        var shown = (int)Math.Min(room, output.Text.Length);
                        text.Append(output.Text, 0, shown);
                        Fits(output.Text.Length);
                        break;
                    case ResultEvent result when Fits(size):
                        results.Add(new RichResult(result.Data, result.Metadata, IsMainResult: true));
                        break;
                    case DisplayEvent { Update: false } display when Fits(size):
                        results.Add(new RichResult(display.Data, display.Metadata, IsMainResult: false));
                        break;
                    case ErrorEvent raised when info.ExitCode != 0 && Fits(size): // An exit with 0 is no error.
                        error = new CodeError(raised.Name, raised.Value, raised.Traceback);
                        break;
                    case OmittedEvent:
                        truncated = true;
                        break;
                }
            }

            if (entry.Sequence >= info.LastSequence)
            {
                break;
            }
        }

        return new ExecutionResult { Stdout = stdout.ToString(), Stderr = stderr.ToString(), Results = results, Error = error, Truncated = truncated };

        bool Fits(long size)
        {
            if (size > room)
            {
                truncated = true;
                room = 0; // What comes later must not stand before what was left out.
                return false;
            }

            room -= size;
            return true;
        }
    }
}
