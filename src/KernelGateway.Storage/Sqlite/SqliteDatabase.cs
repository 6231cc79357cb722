using System.Reflection;
using System.Runtime.InteropServices;
using Dapper;
using KernelGateway.Core.Errors;
using Microsoft.Data.Sqlite;

namespace KernelGateway.Storage.Sqlite;

/// <summary>The gateway's one database file, on the system's own SQLite.</summary>
public sealed class SqliteDatabase
{
    private const int SchemaVersion = 1;

    private static readonly Lazy<bool> Provider = new(() =>
    {
        // The system's library gets its security fixes from the distribution; a bundled one would not.
        NativeLibrary.SetDllImportResolver(typeof(SQLitePCL.SQLite3Provider_e_sqlite3).Assembly, Resolve);
        SQLitePCL.raw.SetProvider(new SQLitePCL.SQLite3Provider_e_sqlite3());
        return true;
    });

    private readonly string _connectionString;

    /// <summary>Opens or makes the database.</summary>
    /// <param name="path">The file; it holds secrets and is made 0600.</param>
    /// <exception cref="InvalidDataException">The file is damaged, or written by a newer gateway; the message says what to do.</exception>
    public SqliteDatabase(string path)
    {
        _ = Provider.Value;
        if (!File.Exists(path))
        {
            using var created = new FileStream(path, new FileStreamOptions
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.Write,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            });
        }

        _connectionString = new SqliteConnectionStringBuilder { DataSource = path, Mode = SqliteOpenMode.ReadWrite, Pooling = true }.ToString();
        try
        {
            Prepare(path);
        }
        catch (SqliteException e)
        {
            throw new InvalidDataException($"The database '{path}' cannot be used: {e.Message} Restore it from a copy, or move it away to begin anew (running sandboxes are then removed).", e);
        }
    }

    /// <summary>An open connection; dispose it after use.</summary>
    public SqliteConnection Open()
    {
        var connection = new SqliteConnection(_connectionString);
        connection.Open();
        connection.Execute("PRAGMA busy_timeout = 5000; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;");
        return connection;
    }

    /// <summary>Changes something.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.StorageFull"/> when it cannot be written now.</exception>
    public int Write(Func<SqliteConnection, int> change)
    {
        try
        {
            using var connection = Open();
            return change(connection);
        }
        catch (SqliteException e)
        {
            throw new GatewayException(ErrorCode.StorageFull, $"The gateway's database cannot be written: {e.Message} Free space on its data disk.", inner: e);
        }
    }

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path)
    {
        if (name != "e_sqlite3")
        {
            return 0;
        }

        return NativeLibrary.TryLoad("libsqlite3.so.0", out var handle)
            ? handle
            : throw new DllNotFoundException("libsqlite3.so.0 was not found. Install it: apt-get install libsqlite3-0");
    }

    private void Prepare(string path)
    {
        using var connection = Open();
        if (connection.ExecuteScalar<string>("PRAGMA quick_check(1)") is var check && check != "ok")
        {
            throw new InvalidDataException($"The database '{path}' is damaged ({check}). Restore it from a copy, or move it away to begin anew (running sandboxes are then removed).");
        }

        connection.Execute("PRAGMA journal_mode = WAL");
        var version = connection.ExecuteScalar<int>("PRAGMA user_version");
        if (version > SchemaVersion)
        {
            throw new InvalidDataException($"The database '{path}' was written by a newer gateway (schema {version}, this one knows {SchemaVersion}). Start that version again.");
        }

        using var transaction = connection.BeginTransaction();
        connection.Execute(
            $"""
             CREATE TABLE IF NOT EXISTS sandboxes (id TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
             CREATE TABLE IF NOT EXISTS api_keys (
                 id TEXT PRIMARY KEY,
                 hash BLOB NOT NULL UNIQUE,
                 owner TEXT NOT NULL,
                 is_admin INTEGER NOT NULL,
                 created_at TEXT NOT NULL) STRICT;
             CREATE TABLE IF NOT EXISTS webhooks (id TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
             CREATE TABLE IF NOT EXISTS webhook_positions (
                 webhook TEXT NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
                 sandbox TEXT NOT NULL,
                 sequence INTEGER NOT NULL,
                 PRIMARY KEY (webhook, sandbox)) STRICT;
             PRAGMA user_version = {SchemaVersion};
             """,
            transaction: transaction);
        transaction.Commit();
    }
}
