namespace KernelGateway.Core.Webhooks;

/// <summary>A webhook as it is remembered. Holds a secret: store it 0600.</summary>
/// <param name="Id">32 hexadecimal digits.</param>
/// <param name="Owner">Whose sandboxes it tells of.</param>
/// <param name="Url">Where to.</param>
/// <param name="Events">What it tells.</param>
/// <param name="Secret">The key of its signatures.</param>
/// <param name="CreatedAt">When it was made.</param>
public sealed record WebhookRecord(string Id, string Owner, string Url, IReadOnlyList<string> Events, string Secret, DateTimeOffset CreatedAt)
{
    /// <summary>Without the secret, which a record in a log would give away.</summary>
    public override string ToString() => $"webhook {Id} of {Owner}";
}

/// <summary>Remembers webhooks over a restart of the gateway, and how far each has come in the journal of each sandbox.</summary>
public interface IWebhookStore
{
    /// <summary>All webhooks.</summary>
    IReadOnlyList<WebhookRecord> Load();

    /// <summary>Stores a new webhook and where it begins in sandboxes that there are; both or neither.</summary>
    void Add(WebhookRecord webhook, IReadOnlyDictionary<string, long> positions);

    /// <summary>Forgets a webhook.</summary>
    void Remove(string id);

    /// <summary>The number of the last event that was sent or given up, by sandbox.</summary>
    IReadOnlyDictionary<string, long> LoadPositions(string webhookId);

    /// <summary>Remembers how far a webhook has come.</summary>
    void SavePosition(string webhookId, string sandboxId, long sequence);

    /// <summary>Forgets the positions in a sandbox that is gone.</summary>
    void RemovePositions(string sandboxId);
}
