using KernelGateway.Contracts.Webhooks;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Executions;
using KernelGateway.Core.Faults;
using KernelGateway.Core.Journals;
using KernelGateway.Core.Sandboxes;
using Microsoft.Extensions.Logging;

namespace KernelGateway.Core.Webhooks;

/// <summary>
/// What one webhook is told of one sandbox, in order, one message at a time. The journal is the queue, and a number is all that is
/// remembered: after a crash the message under way is sent again, with the same id.
/// </summary>
internal sealed partial class WebhookFeed(Webhook webhook, Sandbox sandbox, long position, IWebhookStore store, WebhookOptions options, TimeProvider time, ILogger logger)
{
    private long _position = position;
    private int _pokes;

    /// <summary>The sending that is under way, or the last one.</summary>
    public Task Sending { get; private set; } = Task.CompletedTask;

    /// <summary>Says that there may be something to send. Never blocks.</summary>
    public void Poke()
    {
        if (Interlocked.Increment(ref _pokes) == 1)
        {
            Sending = Task.Run(SendAllAsync);
        }
    }

    private async Task SendAllAsync()
    {
        int seen;
        do
        {
            seen = Volatile.Read(ref _pokes);
            try
            {
                await SendNewAsync();
            }
            catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
            {
                return; // The webhook or the sandbox is gone, or the gateway stops.
            }
#pragma warning disable CA1031 // A fault of ours with one event must not stop those to come.
            catch (Exception e)
#pragma warning restore CA1031
            {
                LogFault(logger, e, webhook.Record.Id, sandbox.Id);
            }
        }
        while (Interlocked.CompareExchange(ref _pokes, 0, seen) != seen);
    }

    private async Task SendNewAsync()
    {
        while (!webhook.Gone.IsCancellationRequested && sandbox.Journal.Life.NextAfter(_position) is { } mark)
        {
            _position = mark.Sequence;
            if (webhook.Wants(mark.Type) && Read(mark.Sequence) is { } entry)
            {
                await DeliverAsync(mark, entry);
                Fault.At("webhook.before_position");
                try
                {
                    store.SavePosition(webhook.Record.Id, sandbox.Id, mark.Sequence);
                }
                catch (GatewayException e)
                {
                    LogNotSaved(logger, webhook.Record.Id, e.Message); // After a restart it is sent again.
                }
            }
        }
    }

    /// <summary>Null when it is gone: the journal keeps so much and no more.</summary>
    private JournalEntry? Read(long sequence)
    {
        try
        {
            using var cursor = sandbox.Journal.OpenCursor(sequence - 1);
            return cursor.TryRead(out var entry) && entry.Sequence == sequence ? entry : null;
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            return null; // The sandbox has been forgotten.
        }
    }

    private async Task DeliverAsync(LifeMark mark, JournalEntry entry)
    {
        for (var attempt = 1; ; attempt++)
        {
            var record = sandbox.Record;
            var delivery = await webhook.SendAsync(
                new WebhookMessage
                {
                    Id = $"{webhook.Record.Id}.{sandbox.Id}.{mark.Sequence}",
                    Type = mark.Type,
                    Timestamp = entry.Time,
                    SandboxId = sandbox.Id,
                    SandboxName = record.Name,
                    Tags = record.Tags,
                    Event = EventProjection.Project(entry),
                },
                attempt);
            var wait = Backoff(attempt);
            var isLast = attempt >= options.MaxAttempts || time.GetUtcNow() + wait - entry.Time > options.MaxAge;
            if (delivery.Error is null || isLast)
            {
                webhook.Log.Put(delivery);
                if (delivery.Error is not null)
                {
                    LogGivenUp(logger, delivery.Id, attempt, delivery.Error);
                }

                return;
            }

            webhook.Log.Put(delivery with { State = WebhookDeliveryState.Retrying, NextAttemptAt = time.GetUtcNow() + wait });
            await Task.Delay(wait, time, webhook.Gone);
        }
    }

    /// <summary>Twice as long each time, with up to half of it taken off at random, so that not all come back at once.</summary>
    private TimeSpan Backoff(int attempt)
    {
        var longest = Math.Min(options.LongestRetry.TotalSeconds, options.FirstRetry.TotalSeconds * Math.Pow(2, Math.Min(attempt - 1, 40)));
#pragma warning disable CA5394 // Not for secrets.
        return TimeSpan.FromSeconds(longest * (1 - (Random.Shared.NextDouble() / 2)));
#pragma warning restore CA5394
    }

    [LoggerMessage(LogLevel.Warning, "Webhook message {DeliveryId} was given up after {Attempts} attempts: {Reason}")]
    private static partial void LogGivenUp(ILogger logger, string deliveryId, int attempts, string reason);

    [LoggerMessage(LogLevel.Warning, "How far webhook {WebhookId} has come could not be stored: {Reason}")]
    private static partial void LogNotSaved(ILogger logger, string webhookId, string reason);

    [LoggerMessage(LogLevel.Error, "Webhook {WebhookId} failed at an event of sandbox {SandboxId}")]
    private static partial void LogFault(ILogger logger, Exception exception, string webhookId, string sandboxId);
}
