using System.Text.Json;
using Dapper;
using KernelGateway.Core.Webhooks;

namespace KernelGateway.Storage.Sqlite;

/// <summary>Keeps webhooks, one row each, and one row for each sandbox that they have told of.</summary>
public sealed class SqliteWebhookStore(SqliteDatabase database) : IWebhookStore
{
    private const string SetPosition = "INSERT INTO webhook_positions (webhook, sandbox, sequence) VALUES (@webhookId, @sandboxId, @sequence) ON CONFLICT (webhook, sandbox) DO UPDATE SET sequence = excluded.sequence";

    /// <inheritdoc/>
    public IReadOnlyList<WebhookRecord> Load()
    {
        using var connection = database.Open();
        return [.. connection.Query<string>("SELECT record FROM webhooks").Select(Read)];
    }

    /// <inheritdoc/>
    public void Add(WebhookRecord webhook, IReadOnlyDictionary<string, long> positions)
    {
        ArgumentNullException.ThrowIfNull(webhook);
        ArgumentNullException.ThrowIfNull(positions);
        database.Write(connection =>
        {
            using var transaction = connection.BeginTransaction();
            var changed = connection.Execute("INSERT INTO webhooks (id, record) VALUES (@Id, @Json)", new { webhook.Id, Json = JsonSerializer.Serialize(webhook) }, transaction);
            foreach (var (sandboxId, sequence) in positions)
            {
                connection.Execute(SetPosition, new { webhookId = webhook.Id, sandboxId, sequence }, transaction);
            }

            transaction.Commit();
            return changed;
        });
    }

    /// <inheritdoc/>
    public void Remove(string id) => database.Write(connection => connection.Execute("DELETE FROM webhooks WHERE id = @id", new { id }));

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, long> LoadPositions(string webhookId)
    {
        using var connection = database.Open();
        return connection.Query<(string Sandbox, long Sequence)>("SELECT sandbox, sequence FROM webhook_positions WHERE webhook = @webhookId", new { webhookId })
            .ToDictionary(row => row.Sandbox, row => row.Sequence, StringComparer.Ordinal);
    }

    /// <inheritdoc/>
    public void SavePosition(string webhookId, string sandboxId, long sequence) => database.Write(connection =>
        // Nothing of a webhook that was removed meanwhile.
        connection.ExecuteScalar<int>("SELECT count(*) FROM webhooks WHERE id = @webhookId", new { webhookId }) == 0 ? 0 : connection.Execute(SetPosition, new { webhookId, sandboxId, sequence }));

    /// <inheritdoc/>
    public void RemovePositions(string sandboxId) =>
        database.Write(connection => connection.Execute("DELETE FROM webhook_positions WHERE sandbox = @sandboxId", new { sandboxId }));

    private static WebhookRecord Read(string json) =>
        JsonSerializer.Deserialize<WebhookRecord>(json) ?? throw new InvalidDataException("A webhook in the database is empty.");
}
