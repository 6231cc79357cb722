using KernelGateway.Contracts.Snapshots;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Sandboxes;

namespace KernelGateway.Core.Snapshots;

/// <summary>A snapshot that is being written. Nothing of it is left when it is disposed before it is committed.</summary>
internal sealed class SnapshotDraft(SnapshotCatalog catalog, string id, string owner, string name, string description, bool isTemporary) : IDisposable
{
    private readonly Dictionary<string, SnapshotPart> _parts = new(StringComparer.Ordinal);
    private PartStream? _writing;
    private long _complete;
    private bool _committed;

    public string Id => id;

    public string Owner => owner;

    public string Name => name;

    public bool IsTemporary => isTemporary;

    public SnapshotOptions Options => catalog.Options;

    /// <summary>Bytes that may still be written, beside the part that is being written.</summary>
    public long Room => Math.Max(0, Math.Min(Options.MaxBytes, catalog.RoomFor(this)) - Complete);

    /// <summary>Bytes that it takes on the disk now.</summary>
    public long Written => Complete + (Volatile.Read(ref _writing)?.Length ?? 0);

    private long Complete => Volatile.Read(ref _complete);

    /// <summary>Refuses what says itself that it is too large, before any of it is read.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.TooLarge"/>.</exception>
    public void Demand(long bytes, string what)
    {
        if (bytes > Room)
        {
            throw TooLarge($"as {what} has {bytes}");
        }
    }

    /// <summary>Gives back the room of a part that is to be written again.</summary>
    public void Forget(string part)
    {
        _parts.Remove(part);
        Volatile.Write(ref _complete, _parts.Values.Sum(p => p.Size));
    }

    /// <summary>Writes a part; one of the same name is replaced.</summary>
    public async Task WriteAsync(string part, Func<Stream, Task> write, CancellationToken cancellationToken)
    {
        Forget(part);
        try
        {
            await using var stream = new PartStream(catalog.UnfinishedPathOf(id, part), part, () => Room);
            Volatile.Write(ref _writing, stream);
            await write(stream);
            _parts[part] = await stream.CompleteAsync(cancellationToken);
            Volatile.Write(ref _complete, _parts.Values.Sum(p => p.Size));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw SnapshotCatalog.NotWritten(e);
        }
        finally
        {
            Volatile.Write(ref _writing, null);
        }
    }

    /// <summary>Makes it a snapshot; it is durable when this returns.</summary>
    public async Task<StoredSnapshot> CommitAsync(SandboxRecord sandbox, DateTimeOffset now, SnapshotContent content, CancellationToken cancellationToken)
    {
        var info = new SnapshotInfo
        {
            Id = id,
            Name = name,
            Description = description,
            SandboxId = sandbox.Id,
            Variant = sandbox.Variant,
            Environment = sandbox.Environment,
            CreatedAt = now,
            Size = _parts.Values.Sum(p => p.Size),
            Files = content.Files.Count,
            Variables = content.Contexts.Sum(c => c.Variables.Count),
            NotKept = content.FilesNotKept.Count + content.Contexts.Sum(c => c.NotKept.Count + (c.Reason is null ? 0 : 1)),
        };
        var manifest = new SnapshotManifest(info, content.Contexts, content.Files, content.FilesNotKept, [.. _parts.Values]);
        await WriteAsync(
            PartNames.Manifest,
            stream => System.Text.Json.JsonSerializer.SerializeAsync(stream, manifest, System.Text.Json.JsonSerializerOptions.Web, cancellationToken),
            cancellationToken);
        var snapshot = new StoredSnapshot
        {
            Info = info with { Size = _parts.Values.Sum(p => p.Size) },
            Owner = owner,
            IsTemporary = isTemporary,
            Recipe = SnapshotRecipe.Of(sandbox),
            Contexts = content.StoredContexts,
            Parts = [.. _parts.Values],
        };
        catalog.Commit(snapshot);
        _committed = true;
        return snapshot;
    }

    public void Dispose()
    {
        if (!_committed)
        {
            catalog.Abandon(id);
        }

        catalog.LetGo(this);
    }

    internal static GatewayException TooLarge(string why) => new(
        ErrorCode.TooLarge,
        $"The snapshot would have more bytes than there is room for, {why}. Remove files or variables, leave contexts out with 'contextIds', or have Gateway:Snapshots:MaxBytes (of one) or MaxTotalBytes (of all) raised.");
}

/// <summary>What was found in a sandbox.</summary>
internal sealed record SnapshotContent(
    IReadOnlyList<SnapshotContext> Contexts,
    IReadOnlyList<StoredContext> StoredContexts,
    IReadOnlyList<SnapshotFile> Files,
    IReadOnlyList<NotKept> FilesNotKept);
