using System.Security.Cryptography;
using KernelGateway.Core.Errors;

namespace KernelGateway.Core.Snapshots;

/// <summary>The parts of a snapshot, open and checked; it can be removed meanwhile.</summary>
internal sealed class OpenedSnapshot : IDisposable
{
    private readonly Dictionary<string, FileStream> _parts = new(StringComparer.Ordinal);

    private OpenedSnapshot(StoredSnapshot snapshot) => Snapshot = snapshot;

    public StoredSnapshot Snapshot { get; }

    /// <summary>Opens all parts, or one, and compares their digests.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.SnapshotDamaged"/>.</exception>
    public static OpenedSnapshot Open(StoredSnapshot snapshot, Func<string, string> pathOf, string? only)
    {
        var opened = new OpenedSnapshot(snapshot);
        try
        {
            foreach (var part in snapshot.Parts.Where(p => only is null || p.Name == only))
            {
                var file = new FileStream(pathOf(part.Name), FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 128 << 10, FileOptions.Asynchronous | FileOptions.SequentialScan);
                opened._parts.Add(part.Name, file);
                if (file.Length != part.Size || Convert.ToHexStringLower(SHA256.HashData(file)) != part.Sha256)
                {
                    throw Damaged($"its part '{part.Name}' is not what was written");
                }

                file.Position = 0;
            }

            return opened;
        }
        catch (IOException e)
        {
            opened.Dispose();
            throw Damaged($"a part of it cannot be read ({e.Message})");
        }
        catch
        {
            opened.Dispose();
            throw;
        }
    }

    public Stream Part(string name) => _parts.TryGetValue(name, out var part) ? part : throw Damaged($"its part '{name}' is missing");

    public void Dispose()
    {
        foreach (var part in _parts.Values)
        {
            part.Dispose();
        }
    }

    private static GatewayException Damaged(string what) => new(ErrorCode.SnapshotDamaged, $"The snapshot is corrupt: {what}. Restore the gateway's data folder from a copy, or remove the snapshot.");
}
