using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Serialization;
using KernelGateway.Contracts.Webhooks;

namespace KernelGateway.Core.Webhooks;

/// <summary>One live webhook: signs, sends, and remembers what became of it.</summary>
internal sealed class Webhook(WebhookRecord record, WebhookDoor door, WebhookOptions options, TimeProvider time) : IDisposable
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull };

    private readonly SemaphoreSlim _slots = new(options.MaxConcurrent);
    private readonly CancellationTokenSource _gone = new();

    public WebhookRecord Record => record;

    public DeliveryLog Log { get; } = new();

    /// <summary>Is cancelled when it is removed, or the gateway stops.</summary>
    public CancellationToken Gone => _gone.Token;

    public WebhookInfo Info => new() { Id = record.Id, Url = record.Url, Events = record.Events, CreatedAt = record.CreatedAt };

    public bool Wants(string type) => record.Events.Contains(type);

    /// <summary>Sends a message once.</summary>
    /// <returns>What became of it; how it goes on is for the caller to say.</returns>
    /// <exception cref="OperationCanceledException">It is gone.</exception>
    public async Task<WebhookDelivery> SendAsync(WebhookMessage message, int attempt)
    {
        await _slots.WaitAsync(Gone);
        try
        {
            var now = time.GetUtcNow();
            var (status, error) = await AttemptAsync(message, now.ToUnixTimeSeconds());
            return new WebhookDelivery
            {
                Id = message.Id,
                Type = message.Type,
                SandboxId = message.SandboxId,
                Sequence = message.Event?.Sequence,
                State = error is null ? WebhookDeliveryState.Delivered : WebhookDeliveryState.Failed,
                Attempts = attempt,
                Status = status,
                Error = error,
                LastAttemptAt = now,
            };
        }
        finally
        {
            _slots.Release();
        }
    }

    public void Dispose() => _gone.Cancel();

    private async Task<(int? Status, string? Error)> AttemptAsync(WebhookMessage message, long timestamp)
    {
        var body = JsonSerializer.SerializeToUtf8Bytes(message, Json);
        using var request = new HttpRequestMessage(HttpMethod.Post, record.Url) { Content = new ByteArrayContent(body) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        request.Headers.Add("User-Agent", "KernelGateway-Webhooks");
        request.Headers.Add("webhook-id", message.Id);
        request.Headers.Add("webhook-timestamp", timestamp.ToString(System.Globalization.CultureInfo.InvariantCulture));
        request.Headers.Add("webhook-signature", WebhookSignature.Of(record.Secret, message.Id, timestamp, body));
        using var deadline = new CancellationTokenSource(options.AnswerTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, Gone);
        try
        {
            var status = await door.SendAsync(request, either.Token);
            return (status, status is >= 200 and < 300 ? null
                : status is >= 300 and < 400 ? $"It answered {status}; redirects are not followed." : $"It answered {status}.");
        }
        catch (OperationCanceledException) when (!Gone.IsCancellationRequested)
        {
            return (null, $"It did not answer within {options.AnswerTimeout.TotalSeconds:0.#} s.");
        }
        catch (Exception e) when (e is HttpRequestException or IOException or SocketException)
        {
            return (null, e.GetBaseException().Message);
        }
    }
}
