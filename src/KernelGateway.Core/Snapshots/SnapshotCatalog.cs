using System.Text.Json;
using KernelGateway.Contracts.Snapshots;
using KernelGateway.Core.Errors;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace KernelGateway.Core.Snapshots;

/// <summary>All snapshots of this gateway: who has which, how many there may be, and where their parts are.</summary>
public sealed partial class SnapshotCatalog
{
    private readonly SnapshotFolder _folder;
    private readonly ILogger<SnapshotCatalog> _logger;

    // Changed under the gate only.
    private readonly Lock _gate = new();
    private readonly Dictionary<string, StoredSnapshot> _all = new(StringComparer.Ordinal);
    private readonly HashSet<SnapshotDraft> _drafts = [];

    /// <summary>Reads what there is, and removes what an earlier gateway left half done.</summary>
    /// <param name="folder">The folder of snapshots, which only this gateway uses.</param>
    /// <param name="options">The limits.</param>
    /// <param name="logger">Is told of damaged ones.</param>
    /// <exception cref="InvalidDataException">The folder's key cannot be used.</exception>
    public SnapshotCatalog(string folder, IOptions<SnapshotOptions> options, ILogger<SnapshotCatalog> logger)
    {
        ArgumentNullException.ThrowIfNull(options);
        Options = options.Value;
        _logger = logger;
        _folder = new SnapshotFolder(folder);
        foreach (var id in _folder.Ids.ToList())
        {
            var snapshot = _folder.Read(id, out var damage);
            if (damage is not null)
            {
                LogDamaged(_logger, id, damage);
            }

            if (snapshot is { IsTemporary: true })
            {
                _folder.Remove(id);
            }
            else if (snapshot is not null)
            {
                _all[id] = snapshot;
            }
        }
    }

    /// <summary>The limits.</summary>
    public SnapshotOptions Options { get; }

    /// <summary>The snapshots of an owner, newest first.</summary>
    public IReadOnlyList<SnapshotInfo> List(string owner)
    {
        lock (_gate)
        {
            return [.. _all.Values.Where(s => s.Owner == owner && !s.IsTemporary).Select(s => s.Info).OrderByDescending(s => s.CreatedAt).ThenBy(s => s.Id, StringComparer.Ordinal)];
        }
    }

    /// <summary>Finds a snapshot; somebody else's is as if it were not there.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.SnapshotNotFound"/>.</exception>
    public StoredSnapshot Get(string id, string owner)
    {
        lock (_gate)
        {
            return _all.TryGetValue(id, out var found) && found.Owner == owner && !found.IsTemporary
                ? found
                : throw new GatewayException(ErrorCode.SnapshotNotFound, "You have no snapshot of that id. GET /api/v1/snapshots lists yours.", "snapshotId");
        }
    }

    /// <summary>Finds a snapshot by its name.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.SnapshotNotFound"/>.</exception>
    public StoredSnapshot GetByName(string name, string owner)
    {
        lock (_gate)
        {
            return _all.Values.FirstOrDefault(s => s.Owner == owner && !s.IsTemporary && s.Info.Name == name)
                ?? throw new GatewayException(ErrorCode.SnapshotNotFound, "You have no snapshot of that name. GET /api/v1/snapshots lists yours.", "snapshotName");
        }
    }

    /// <summary>Gives a snapshot another name or description.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.InvalidArgument"/> or <see cref="ErrorCode.AlreadyExists"/>; nothing has changed then.</exception>
    public SnapshotInfo Update(string id, string owner, UpdateSnapshotRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        var (name, description) = (SnapshotNames.Check(request.Name), SnapshotNames.CheckDescription(request.Description));
        lock (_gate)
        {
            var before = Usable(Get(id, owner));
            if (name is not null && name != before.Info.Name)
            {
                DemandFree(owner, name);
            }

            var after = before with { Info = before.Info with { Name = name ?? before.Info.Name, Description = description ?? before.Info.Description } };
            OnDisk(() => _folder.Replace(after));
            _all[id] = after;
            return after.Info;
        }
    }

    /// <summary>Removes a snapshot. Sandboxes that are being made from it are made all the same.</summary>
    public void Remove(string id, string owner)
    {
        lock (_gate)
        {
            Forget(Get(id, owner));
        }
    }

    /// <summary>What is in a snapshot.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.SnapshotDamaged"/>.</exception>
    public SnapshotManifest ReadManifest(string id, string owner)
    {
        using var parts = Open(Get(id, owner), PartNames.Manifest);
        try
        {
            return JsonSerializer.Deserialize<SnapshotManifest>(parts.Part(PartNames.Manifest), JsonSerializerOptions.Web)! with { Snapshot = Get(id, owner).Info };
        }
        catch (JsonException e)
        {
            throw new GatewayException(ErrorCode.SnapshotDamaged, $"The snapshot is corrupt: its manifest cannot be read: {e.Message}", inner: e);
        }
    }

    /// <summary>Opens the parts of a snapshot, and reads all of them to see that they are what was written.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.SnapshotDamaged"/>, with what is wrong.</exception>
    internal OpenedSnapshot Open(StoredSnapshot snapshot, string? only = null) =>
        OpenedSnapshot.Open(Usable(snapshot), part => _folder.PathOf(snapshot.Info.Id, part), only);

    /// <summary>Begins a snapshot: its name is taken until it is committed or disposed.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.InvalidArgument"/>, <see cref="ErrorCode.AlreadyExists"/> or <see cref="ErrorCode.LimitReached"/>.</exception>
    internal SnapshotDraft Begin(string owner, string? name, string? description)
    {
        var id = Guid.NewGuid().ToString("N");
        var temporary = name is null;
        var (checkedName, checkedDescription) = (SnapshotNames.Check(name) ?? id, SnapshotNames.CheckDescription(description) ?? "");
        lock (_gate)
        {
            if (!temporary)
            {
                DemandFree(owner, checkedName);
                if (_all.Values.Count(s => s.Owner == owner && !s.IsTemporary) + _drafts.Count(d => d.Owner == owner && !d.IsTemporary) is var own && own >= Options.MaxPerOwner)
                {
                    throw new GatewayException(ErrorCode.LimitReached, $"You have {own} snapshots already, the most one owner may have. Remove some, or have Gateway:Snapshots:MaxPerOwner raised.");
                }
            }

            OnDisk(() => _folder.Begin(id));
            var draft = new SnapshotDraft(this, id, owner, checkedName, checkedDescription, temporary);
            _drafts.Add(draft);
            return draft;
        }
    }

    internal string UnfinishedPathOf(string id, string part) => _folder.UnfinishedPathOf(id, part);

    /// <summary>Bytes that one may have, as things are now with all others.</summary>
    internal long RoomFor(SnapshotDraft draft)
    {
        lock (_gate)
        {
            return Options.MaxTotalBytes - _all.Values.Sum(s => s.Info.Size) - _drafts.Where(other => other != draft).Sum(other => other.Written);
        }
    }

    internal void Commit(StoredSnapshot snapshot)
    {
        lock (_gate)
        {
            OnDisk(() => _folder.Commit(snapshot));
            _all[snapshot.Info.Id] = snapshot;
        }
    }

    internal void Abandon(string id)
    {
        try
        {
            _folder.Abandon(id);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            LogNotRemoved(_logger, id, e.Message);
        }
    }

    internal void LetGo(SnapshotDraft draft)
    {
        lock (_gate)
        {
            _drafts.Remove(draft);
        }
    }

    /// <summary>Removes what was made for a fork. When that fails it goes when the gateway starts again.</summary>
    internal void Discard(StoredSnapshot snapshot)
    {
        try
        {
            lock (_gate)
            {
                Forget(snapshot);
            }
        }
        catch (GatewayException e)
        {
            LogNotRemoved(_logger, snapshot.Info.Id, e.Message);
        }
    }

    /// <summary>Under the gate.</summary>
    private void Forget(StoredSnapshot snapshot)
    {
        OnDisk(() => _folder.Remove(snapshot.Info.Id));
        _all.Remove(snapshot.Info.Id);
    }

    /// <summary>Does something on the gateway's disk, and says in its words what is wrong with that.</summary>
    internal static void OnDisk(Action act)
    {
        try
        {
            act();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw NotWritten(e);
        }
    }

    internal static GatewayException NotWritten(Exception e) => new(ErrorCode.StorageFull, $"The snapshot cannot be written: {e.Message} Free space on the gateway's data disk.", inner: e);

    private static StoredSnapshot Usable(StoredSnapshot snapshot) => snapshot.Info.Damage is { } damage
        ? throw new GatewayException(ErrorCode.SnapshotDamaged, $"The snapshot cannot be used. {damage}")
        : snapshot;

    private void DemandFree(string owner, string name)
    {
        if (_drafts.Any(d => d.Owner == owner && !d.IsTemporary && d.Name == name) || _all.Values.Any(s => s.Owner == owner && !s.IsTemporary && s.Info.Name == name))
        {
            throw new GatewayException(ErrorCode.AlreadyExists, $"You have a snapshot of the name '{name}' already. Choose another name, or remove that one.", "name");
        }
    }

    [LoggerMessage(LogLevel.Warning, "Snapshot {SnapshotId} cannot be used: {Damage}")]
    private static partial void LogDamaged(ILogger logger, string snapshotId, string damage);

    [LoggerMessage(LogLevel.Warning, "What was written of snapshot {SnapshotId} could not be removed; it goes when the gateway starts again: {Reason}")]
    private static partial void LogNotRemoved(ILogger logger, string snapshotId, string reason);
}
