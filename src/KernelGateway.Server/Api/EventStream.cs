using System.Buffers;
using System.Globalization;
using System.IO.Pipelines;
using System.Text;
using System.Text.Json;
using KernelGateway.Contracts.Events;
using KernelGateway.Core.Executions;
using KernelGateway.Core.Journals;

namespace KernelGateway.Server.Api;

/// <summary>Writes events to a response as they come; flushes when there is nothing more at hand, and says something now and then so that proxies keep the line open.</summary>
internal sealed class EventStream(PipeWriter output, JsonSerializerOptions json, bool lines, TimeProvider time) : IDisposable
{
    private const int FlushAt = 32 << 10;
    private static readonly TimeSpan KeepAlive = TimeSpan.FromSeconds(15);

    private readonly Utf8JsonWriter _writer = new(output, new JsonWriterOptions { Encoder = json.Encoder, SkipValidation = true });

    public async Task WriteAsync(IAsyncEnumerable<JournalEntry> entries, string? executionId, CancellationToken cancellationToken)
    {
        await using var enumerator = entries.GetAsyncEnumerator(cancellationToken);
        while (true)
        {
            var next = enumerator.MoveNextAsync();
            bool more;
            if (next.IsCompleted)
            {
                more = await next;
            }
            else
            {
                await output.FlushAsync(cancellationToken);
                more = await WaitAsync(next.AsTask(), cancellationToken);
            }

            if (!more)
            {
                await output.FlushAsync(cancellationToken);
                return;
            }

            if (executionId is null || enumerator.Current.ExecutionId == executionId)
            {
                Write(EventProjection.Project(enumerator.Current));
                if (output.UnflushedBytes >= FlushAt)
                {
                    await output.FlushAsync(cancellationToken);
                }
            }
        }
    }

    public void Dispose() => _writer.Dispose();

    private async Task<bool> WaitAsync(Task<bool> next, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                return await next.WaitAsync(KeepAlive, time, CancellationToken.None); // It ends by the token itself, and must have ended before its source is disposed.
            }
            catch (TimeoutException) when (!next.IsCompleted)
            {
                output.Write(lines ? "\n"u8 : ":\n\n"u8);
                await output.FlushAsync(cancellationToken);
            }
        }
    }

    private void Write(SandboxEvent @event)
    {
        if (lines)
        {
            Serialize(@event);
            output.Write("\n"u8);
            return;
        }

        Text(string.Create(CultureInfo.InvariantCulture, $"id: {@event.Sequence}\nevent: {EventTypes.Of(@event)}\ndata: "));
        Serialize(@event);
        output.Write("\n\n"u8);
    }

    private void Serialize(SandboxEvent @event)
    {
        JsonSerializer.Serialize(_writer, @event, json);
        _writer.Flush();
        _writer.Reset();
    }

    private void Text(string text)
    {
        var span = output.GetSpan(Encoding.UTF8.GetMaxByteCount(text.Length));
        output.Advance(Encoding.UTF8.GetBytes(text, span));
    }
}
