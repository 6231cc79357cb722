using System.Collections.Concurrent;
using KernelGateway.Contracts.Webhooks;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Sandboxes;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace KernelGateway.Core.Webhooks;

/// <summary>All webhooks: makes and removes them, and pokes them when something has happened to a sandbox of their owner.</summary>
public sealed class WebhookRegistry(
    SandboxRegistry sandboxes,
    IWebhookStore store,
    WebhookDoor door,
    IOptions<WebhookOptions> options,
    TimeProvider time,
    ILogger<WebhookRegistry> logger) : IHostedService
{
    private readonly ConcurrentDictionary<string, Webhook> _webhooks = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<(string Webhook, string Sandbox), WebhookFeed> _feeds = new();
    private readonly Lock _creation = new();

    /// <summary>Makes a webhook; the answer alone has its secret.</summary>
    /// <exception cref="GatewayException">A value is wrong, the address is not allowed, or the owner has as many as may be.</exception>
    public WebhookInfo Create(CreateWebhookRequest request, string owner)
    {
        ArgumentNullException.ThrowIfNull(request);
        var url = door.Check(request.Url);
        var secret = request.Secret is null ? WebhookSignature.NewSecret() : WebhookSignature.Check(request.Secret);
        var record = new WebhookRecord(Guid.NewGuid().ToString("N"), owner, url.AbsoluteUri, Events(request.Events), secret, time.GetUtcNow());
        lock (_creation)
        {
            if (_webhooks.Values.Count(w => w.Record.Owner == owner) is var own && own >= options.Value.MaxPerOwner)
            {
                throw new GatewayException(ErrorCode.LimitReached, $"You have {own} webhooks already, the most one owner may have. Remove some.");
            }

            var positions = sandboxes.List(owner).ToDictionary(s => s.Id, s => s.Journal.LastSequence, StringComparer.Ordinal);
            store.Add(record, positions);
            var webhook = Open(record);
            foreach (var (sandbox, position) in positions)
            {
                Feed(webhook, sandbox, position)?.Poke();
            }

            return webhook.Info with { Secret = secret };
        }
    }

    /// <summary>The webhooks of an owner, oldest first.</summary>
    public IReadOnlyList<WebhookInfo> List(string owner) => [.. _webhooks.Values.Where(w => w.Record.Owner == owner).OrderBy(w => w.Record.CreatedAt).Select(w => w.Info)];

    /// <summary>One webhook of an owner; somebody else's is as if it were not there.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.WebhookNotFound"/>.</exception>
    public WebhookInfo Get(string id, string owner) => Find(id, owner).Info;

    /// <summary>Removes a webhook; nothing is sent any more.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.WebhookNotFound"/>.</exception>
    public void Remove(string id, string owner)
    {
        var webhook = Find(id, owner);
        store.Remove(id);
        _webhooks.TryRemove(id, out _);
        webhook.Dispose();
        foreach (var key in _feeds.Keys.Where(key => key.Webhook == id))
        {
            _feeds.TryRemove(key, out _);
        }
    }

    /// <summary>The last messages of a webhook, newest first.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.WebhookNotFound"/>.</exception>
    public IReadOnlyList<WebhookDelivery> Deliveries(string id, string owner) => Find(id, owner).Log.List();

    /// <summary>Sends a message that says nothing, once, and tells what became of it.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.WebhookNotFound"/>.</exception>
    public async Task<WebhookDelivery> TestAsync(string id, string owner)
    {
        var webhook = Find(id, owner);
        try
        {
            var delivery = await webhook.SendAsync(
                new WebhookMessage { Id = $"{id}.test.{Guid.NewGuid():N}", Type = WebhookEventTypes.Test, Timestamp = time.GetUtcNow() }, 1);
            webhook.Log.Put(delivery);
            return delivery;
        }
        catch (OperationCanceledException)
        {
            throw NotFound();
        }
    }

    /// <summary>Takes up the webhooks of an earlier run where they stood.</summary>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        foreach (var record in store.Load())
        {
            var webhook = Open(record);
            var positions = store.LoadPositions(record.Id);
            foreach (var gone in positions.Keys.Where(id => sandboxes.TryGet(id) is null))
            {
                store.RemovePositions(gone);
            }

            foreach (var sandbox in sandboxes.List(record.Owner))
            {
                Feed(webhook, sandbox.Id, positions.GetValueOrDefault(sandbox.Id))?.Poke();
            }
        }

        sandboxes.LifeGoesOn += OnLife;
        return Task.CompletedTask;
    }

    /// <summary>Stops sending; what was not answered yet is sent again after the next start.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        sandboxes.LifeGoesOn -= OnLife;
        foreach (var webhook in _webhooks.Values)
        {
            webhook.Dispose();
        }

        await Task.WhenAll(_feeds.Values.Select(feed => feed.Sending)).WaitAsync(cancellationToken);
    }

    private static IReadOnlyList<string> Events(IReadOnlyList<string>? events)
    {
        if (events is null or { Count: 0 })
        {
            return [.. WebhookEventTypes.All.Where(type => type != WebhookEventTypes.ExecutionFinished)];
        }

        return events.Count <= 100 && events.All(WebhookEventTypes.All.Contains)
            ? [.. events.Distinct()]
            : throw new GatewayException(ErrorCode.InvalidArgument, $"'events' may hold {string.Join(", ", WebhookEventTypes.All)} only.", "events");
    }

    private static GatewayException NotFound() => new(ErrorCode.WebhookNotFound, "There is no webhook of that id.", "id");

    /// <summary>Called where something is written into a journal: it must return at once.</summary>
    private void OnLife(string sandboxId)
    {
        if (sandboxes.TryGet(sandboxId) is not { } sandbox)
        {
            foreach (var key in _feeds.Keys.Where(key => key.Sandbox == sandboxId))
            {
                _feeds.TryRemove(key, out _);
            }

            return; // Its positions go with the next start.
        }

        foreach (var webhook in _webhooks.Values.Where(w => w.Record.Owner == sandbox.Owner))
        {
            Feed(webhook, sandboxId, 0)?.Poke();
        }
    }

    private Webhook Open(WebhookRecord record) => _webhooks[record.Id] = new Webhook(record, door, options.Value, time);

    private WebhookFeed? Feed(Webhook webhook, string sandboxId, long position) => sandboxes.TryGet(sandboxId) is { } sandbox
        ? _feeds.GetOrAdd((webhook.Record.Id, sandboxId), _ => new WebhookFeed(webhook, sandbox, position, store, options.Value, time, logger))
        : null;

    private Webhook Find(string id, string owner) =>
        _webhooks.TryGetValue(id, out var webhook) && webhook.Record.Owner == owner ? webhook : throw NotFound();
}
