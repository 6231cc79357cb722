using System.Globalization;
using Dapper;

namespace KernelGateway.Storage.Sqlite;

/// <summary>One API key as it is kept: never the key itself, only its hash.</summary>
/// <param name="Id">Names the key; no secret.</param>
/// <param name="Hash">SHA-256 of the key, which has 256 random bits and so needs no salt or stretching.</param>
/// <param name="Owner">Whose sandboxes it reaches.</param>
/// <param name="IsAdmin">Whether it may manage keys.</param>
/// <param name="CreatedAt">When it was made.</param>
public sealed record ApiKeyRecord(string Id, byte[] Hash, string Owner, bool IsAdmin, DateTimeOffset CreatedAt);

/// <summary>Keeps the hashes of API keys.</summary>
public sealed class SqliteApiKeyStore(SqliteDatabase database)
{
    /// <summary>All keys.</summary>
    public IReadOnlyList<ApiKeyRecord> Load()
    {
        using var connection = database.Open();
        return
        [
            .. connection.Query<(string Id, byte[] Hash, string Owner, bool IsAdmin, string CreatedAt)>(
                    "SELECT id, hash, owner, is_admin, created_at FROM api_keys")
                .Select(r => new ApiKeyRecord(r.Id, r.Hash, r.Owner, r.IsAdmin, DateTimeOffset.Parse(r.CreatedAt, CultureInfo.InvariantCulture))),
        ];
    }

    /// <summary>Stores a new key.</summary>
    public void Add(ApiKeyRecord key)
    {
        ArgumentNullException.ThrowIfNull(key);
        database.Write(connection => connection.Execute(
            "INSERT INTO api_keys (id, hash, owner, is_admin, created_at) VALUES (@Id, @Hash, @Owner, @IsAdmin, @CreatedAt)",
            new { key.Id, key.Hash, key.Owner, key.IsAdmin, CreatedAt = key.CreatedAt.ToString("O", CultureInfo.InvariantCulture) }));
    }

    /// <summary>Removes a key; false when there is none of that id.</summary>
    public bool Remove(string id) =>
        database.Write(connection => connection.Execute("DELETE FROM api_keys WHERE id = @id", new { id })) > 0;
}
