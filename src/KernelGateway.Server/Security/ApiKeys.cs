using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using KernelGateway.Server.Configuration;
using KernelGateway.Storage.Sqlite;

namespace KernelGateway.Server.Security;

/// <summary>The API keys in force. A key is 256 random bits; only its SHA-256 is kept.</summary>
internal sealed class ApiKeys
{
    private readonly ConcurrentDictionary<ulong, ApiKeyRecord> _byPrefix = new();
    private readonly ConcurrentDictionary<string, CancellationTokenSource> _inForce = new(StringComparer.Ordinal);
    private readonly SqliteApiKeyStore _store;
    private readonly TimeProvider _time;

    /// <summary>Reads the keys; when there are none it makes one for an admin and leaves it in a 0600 file for tools on this host.</summary>
    public ApiKeys(SqliteApiKeyStore store, DataDirectory data, TimeProvider time)
    {
        _store = store;
        _time = time;
        foreach (var record in store.Load())
        {
            Accept(record);
        }

        if (_byPrefix.IsEmpty)
        {
            var (_, key) = Create("admin", isAdmin: true);
            var path = data.File("admin.key");
            File.Delete(path);
            using var file = new FileStream(path, new FileStreamOptions
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.Write,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            });
            file.Write(Encoding.ASCII.GetBytes(key + "\n"));
            FirstKeyFile = path;
        }
    }

    /// <summary>The file in which this very start left a key; null when there were keys already.</summary>
    public string? FirstKeyFile { get; }

    /// <summary>All keys.</summary>
    public IReadOnlyCollection<ApiKeyRecord> List() => [.. _byPrefix.Values.OrderBy(k => k.CreatedAt)];

    /// <summary>Makes a key; the text is never to be had again.</summary>
    public (ApiKeyRecord Record, string Key) Create(string owner, bool isAdmin)
    {
        var key = "kg_" + Convert.ToBase64String(RandomNumberGenerator.GetBytes(32)).TrimEnd('=').Replace('+', '-').Replace('/', '_');
        var record = new ApiKeyRecord(Guid.NewGuid().ToString("N"), Hash(key), owner, isAdmin, _time.GetUtcNow());
        _store.Add(record);
        Accept(record);
        return (record, key);
    }

    /// <summary>Removes a key; false when there is none of that id.</summary>
    public bool Revoke(string id)
    {
        foreach (var (prefix, record) in _byPrefix)
        {
            if (record.Id == id)
            {
                _byPrefix.TryRemove(prefix, out _);
                var known = _store.Remove(id);
                if (_inForce.TryRemove(id, out var inForce))
                {
                    inForce.Cancel();
                }

                return known;
            }
        }

        return false;
    }

    /// <summary>Whose key it is; null when it is nobody's.</summary>
    public ApiKeyRecord? Find(string key)
    {
        // Looking up by a part of the hash leaks nothing of the key; the whole is compared in constant time.
        var hash = Hash(key);
        return _byPrefix.TryGetValue(Prefix(hash), out var record) && CryptographicOperations.FixedTimeEquals(hash, record.Hash) ? record : null;
    }

    /// <summary>Is cancelled when a key is revoked: for what was begun with it and goes on.</summary>
    public CancellationToken Revoked(string id) => _inForce.TryGetValue(id, out var inForce) ? inForce.Token : new CancellationToken(canceled: true);

    private void Accept(ApiKeyRecord record)
    {
        _inForce[record.Id] = new CancellationTokenSource();
        _byPrefix[Prefix(record.Hash)] = record;
    }

    private static byte[] Hash(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));

    private static ulong Prefix(byte[] hash) => BinaryPrimitives.ReadUInt64LittleEndian(hash);
}
