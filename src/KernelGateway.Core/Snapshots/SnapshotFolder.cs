using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using KernelGateway.Core.Faults;
using KernelGateway.Core.Files;
using Microsoft.Win32.SafeHandles;

namespace KernelGateway.Core.Snapshots;

/// <summary>
/// Snapshots on disk: one folder each, which gets its name when all that is in it is on the disk, so that there are no half ones.
/// What is remembered of each is sealed with a key of this folder, and names the digests of the parts.
/// </summary>
internal sealed class SnapshotFolder
{
    private const string Record = "snapshot.json";
    private const string KeyFile = "key";
    private const string Unfinished = ".new-";
    private const string Removed = ".gone-";
    private const int KeyBytes = 32;
    private const int SealLength = 64;
    private const int MaxRecordBytes = 16 << 20;
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private readonly string _root;
    private readonly byte[] _key;

    /// <summary>Opens the folder, makes it and its key when they are not there, and removes what an earlier gateway left half done.</summary>
    /// <exception cref="InvalidDataException">The key cannot be used.</exception>
    public SnapshotFolder(string root)
    {
        _root = root;
        Directory.CreateDirectory(root, OwnerOnly);
        foreach (var left in Directory.EnumerateDirectories(root, ".*").Where(path => IsOf(path, Unfinished) || IsOf(path, Removed)).ToList())
        {
            Directory.Delete(left, recursive: true);
        }

        _key = OpenKey();
    }

    /// <summary>The snapshots that are there.</summary>
    public IEnumerable<string> Ids => Directory.EnumerateDirectories(_root).Select(path => Path.GetFileName(path)!)
        .Where(name => name.Length == 32 && name.All(char.IsAsciiHexDigitLower));

    public string PathOf(string id, string part) => Path.Combine(_root, id, part);

    public string UnfinishedPathOf(string id, string part) => Path.Combine(_root, Unfinished + id, part);

    public void Begin(string id) => Directory.CreateDirectory(Path.Combine(_root, Unfinished + id), OwnerOnly);

    public void Abandon(string id) => Directory.Delete(Path.Combine(_root, Unfinished + id), recursive: true);

    /// <summary>Makes a snapshot of what was written since <see cref="Begin"/>. The parts are on the disk already.</summary>
    public void Commit(StoredSnapshot snapshot)
    {
        var id = snapshot.Info.Id;
        var folder = Path.Combine(_root, Unfinished + id);
        Write(Path.Combine(folder, Record), Seal(snapshot));
        Flush(folder);
        Fault.At("snapshot.before_commit");
        Directory.Move(folder, Path.Combine(_root, id));
        Flush(_root);
        Fault.At("snapshot.committed");
    }

    /// <summary>Puts another record in the place of the present one.</summary>
    public void Replace(StoredSnapshot snapshot)
    {
        var path = PathOf(snapshot.Info.Id, Record);
        Write(path + ".new", Seal(snapshot));
        File.Move(path + ".new", path, overwrite: true);
        Flush(Path.GetDirectoryName(path)!);
    }

    public void Remove(string id)
    {
        var gone = Path.Combine(_root, Removed + id);
        Directory.Move(Path.Combine(_root, id), gone);
        Flush(_root);
        Fault.At("snapshot.removing");
        Directory.Delete(gone, recursive: true);
    }

    /// <summary>Reads what is remembered of a snapshot.</summary>
    /// <param name="id">Its id.</param>
    /// <param name="damage">Why it cannot be used; <c>null</c> when it can.</param>
    /// <returns><c>null</c> when nothing can be read, not even whose it is.</returns>
    public StoredSnapshot? Read(string id, out string? damage)
    {
        try
        {
            var path = PathOf(id, Record);
            if (new FileInfo(path).Length > MaxRecordBytes)
            {
                throw new JsonException("It is too large.");
            }

            var bytes = File.ReadAllBytes(path);
            var content = bytes.AsMemory(Math.Min(SealLength + 1, bytes.Length));
            var snapshot = JsonSerializer.Deserialize<StoredSnapshot>(content.Span) ?? throw new JsonException("It is empty.");
            var isOurs = CryptographicOperations.FixedTimeEquals(bytes.AsSpan(0, Math.Min(SealLength, bytes.Length)), SealOf(content.Span));
            damage = !isOurs ? "Its record was changed, or another gateway made it: the seal is not that of this gateway's data folder. Only this gateway's own snapshots can be restored."
                : snapshot.Info.Id != id ? "Its record is that of another snapshot."
                : null;
            return snapshot with { Info = snapshot.Info with { Id = id, Damage = damage } };
        }
        catch (Exception e) when (e is IOException or JsonException or UnauthorizedAccessException or NotSupportedException)
        {
            damage = $"Its record cannot be read: {e.Message}";
            return null;
        }
    }

    private byte[] Seal(StoredSnapshot snapshot)
    {
        var content = JsonSerializer.SerializeToUtf8Bytes(snapshot);
        return [.. SealOf(content), (byte)'\n', .. content];
    }

    private byte[] SealOf(ReadOnlySpan<byte> content) => Encoding.ASCII.GetBytes(Convert.ToHexStringLower(HMACSHA256.HashData(_key, content)));

    private byte[] OpenKey()
    {
        var path = Path.Combine(_root, KeyFile);
        if (!File.Exists(path))
        {
            Write(path + ".new", RandomNumberGenerator.GetBytes(KeyBytes));
            File.Move(path + ".new", path, overwrite: true);
            Flush(_root);
        }

        var key = File.ReadAllBytes(path);
        return key.Length == KeyBytes
            ? key
            : throw new InvalidDataException($"The key of snapshots '{path}' has {key.Length} bytes and not {KeyBytes}. Restore it from a copy; or remove it, and the snapshots of until now can no longer be restored.");
    }

    private static bool IsOf(string path, string prefix) => Path.GetFileName(path).StartsWith(prefix, StringComparison.Ordinal);

    private static void Write(string path, ReadOnlySpan<byte> content)
    {
        using var file = new FileStream(path, new FileStreamOptions
        {
            Mode = FileMode.Create,
            Access = FileAccess.Write,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        });
        file.Write(content);
        file.Flush(flushToDisk: true);
    }

    /// <summary>Names are on the disk only when their folder is.</summary>
    private static void Flush(string folder)
    {
        var number = Libc.Open(folder, Libc.OpenReadOnly | Libc.OpenDirectory | Libc.OpenCloseOnExec);
        using var handle = new SafeFileHandle(number, ownsHandle: number >= 0);
        if (number < 0)
        {
            throw new IOException($"The folder '{folder}' cannot be opened.");
        }

        RandomAccess.FlushToDisk(handle);
    }
}
