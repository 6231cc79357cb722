using System.Text.Json;
using Dapper;
using KernelGateway.Core.Faults;
using KernelGateway.Core.Sandboxes;

namespace KernelGateway.Storage.Sqlite;

/// <summary>Keeps the records of sandboxes, one row each.</summary>
public sealed class SqliteSandboxStore(SqliteDatabase database) : ISandboxStore
{
    /// <inheritdoc/>
    public IReadOnlyList<SandboxRecord> Load()
    {
        using var connection = database.Open();
        return [.. connection.Query<string>("SELECT record FROM sandboxes").Select(Read)];
    }

    /// <inheritdoc/>
    public void Save(SandboxRecord record)
    {
        ArgumentNullException.ThrowIfNull(record);
        database.Write(connection =>
        {
            using var transaction = connection.BeginTransaction();
            var changed = connection.Execute(
                "INSERT INTO sandboxes (id, record) VALUES (@Id, @Json) ON CONFLICT (id) DO UPDATE SET record = excluded.record",
                new { record.Id, Json = JsonSerializer.Serialize(record) },
                transaction);
            Fault.At("database.before_commit");
            transaction.Commit();
            Fault.At("database.after_commit");
            return changed;
        });
    }

    /// <inheritdoc/>
    public void Delete(string id) =>
        database.Write(connection => connection.Execute("DELETE FROM sandboxes WHERE id = @id", new { id }));

    private static SandboxRecord Read(string json) =>
        JsonSerializer.Deserialize<SandboxRecord>(json) ?? throw new InvalidDataException("A sandbox record in the database is empty.");
}
