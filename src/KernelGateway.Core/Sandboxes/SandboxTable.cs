using System.Collections.Concurrent;
using KernelGateway.Core.Commands;
using KernelGateway.Core.Egress;
using KernelGateway.Core.Environments;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Executions;
using KernelGateway.Core.Journals;
using KernelGateway.Core.Snapshots;
using Microsoft.Extensions.Logging;

namespace KernelGateway.Core.Sandboxes;

/// <summary>The sandboxes that there are, with what is stored of them: a record and a folder with the journal for each.</summary>
internal sealed partial class SandboxTable
{
    private readonly ConcurrentDictionary<string, Sandbox> _sandboxes = new(StringComparer.Ordinal);
    private readonly ISandboxStore _store;
    private readonly NetworkGuard _network;
    private readonly SnapshotOptions _snapshotOptions;
    private readonly SandboxOptions _options;
    private readonly JournalOptions _journalOptions;
    private readonly string _journals;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;

    // Held while one is added, so that keys and limits are looked at by one creation at a time.
    private readonly Lock _creation = new();
    private volatile bool _closed;

    public SandboxTable(
        ISandboxStore store,
        NetworkGuard network,
        SnapshotOptions snapshotOptions,
        SandboxOptions options,
        JournalOptions journalOptions,
        DataOptions data,
        TimeProvider time,
        ILogger logger)
    {
        _store = store;
        _network = network;
        _snapshotOptions = snapshotOptions;
        _options = options;
        _journalOptions = journalOptions;
        _journals = Path.Combine(data.DataDirectory, "journals");
        _time = time;
        _logger = logger;
    }

    /// <summary>Is raised with the id of a sandbox whose life has gone on, or that is gone. Handlers must return at once and not throw.</summary>
    public event Action<string>? LifeGoesOn;

    public IEnumerable<Sandbox> All => _sandboxes.Values;

    public Sandbox? Find(string id) => _sandboxes.GetValueOrDefault(id);

    /// <summary>What an earlier run of the gateway has left.</summary>
    public IReadOnlyList<SandboxRecord> Stored() => _store.Load();

    /// <summary>Takes no new ones any more.</summary>
    public void Close() => _closed = true;

    /// <summary>Adds a new one; or gives that of the same owner and idempotency key, <paramref name="known"/>.</summary>
    /// <exception cref="GatewayException">There are as many as there may be, or the gateway is stopping.</exception>
    public Sandbox Add(SandboxRecord record, EnvironmentDefinition environment, out bool known)
    {
        lock (_creation)
        {
            var same = record.IdempotencyKey is null
                ? null
                : All.FirstOrDefault(s => s.Owner == record.Owner && s.Record.IdempotencyKey == record.IdempotencyKey);
            known = same is not null;
            if (same is not null)
            {
                return same;
            }

            if (_closed)
            {
                throw new GatewayException(ErrorCode.ShuttingDown, "The gateway is stopping. Try again in a moment.");
            }

            var live = All.Where(s => !s.Record.HasEnded).ToList();
            if (live.Count >= _options.MaxSandboxes)
            {
                throw new GatewayException(ErrorCode.LimitReached, $"{live.Count} sandboxes live already, the most this gateway allows. Terminate some, or raise Gateway:Sandboxes:MaxSandboxes.");
            }

            if (live.Count(s => s.Owner == record.Owner) is var own && own >= _options.MaxSandboxesPerOwner)
            {
                throw new GatewayException(ErrorCode.LimitReached, $"You have {own} sandboxes already, the most one owner may have. Terminate some.");
            }

            var sandbox = Open(record, environment, out _);
            _store.Save(record);
            return _sandboxes[record.Id] = sandbox;
        }
    }

    /// <summary>Adds one of an earlier run.</summary>
    /// <param name="record">What the store has of it.</param>
    /// <param name="environment">Its environment.</param>
    /// <param name="replay">What its journal says.</param>
    public Sandbox Restore(SandboxRecord record, EnvironmentDefinition environment, out JournalReplay replay) =>
        _sandboxes[record.Id] = Open(record, environment, out replay);

    /// <summary>Removes one, and all that is stored of it.</summary>
    public void Forget(Sandbox sandbox)
    {
        _sandboxes.TryRemove(sandbox.Id, out _);
        _store.Delete(sandbox.Id);
        LifeGoesOn?.Invoke(sandbox.Id);
        sandbox.Journal.Dispose();
        try
        {
            Directory.Delete(JournalFolder(sandbox.Id), recursive: true);
        }
        catch (IOException e)
        {
            LogNotForgotten(_logger, sandbox.Id, e.Message);
        }
    }

    private Sandbox Open(SandboxRecord record, EnvironmentDefinition environment, out JournalReplay replay)
    {
        var executions = new ExecutionTable(record.Id, _options.KeepExecutions);
        var commands = new CommandTable(record.Id, _options.KeepExecutions);
        replay = new JournalReplay(executions, commands);
        var life = new LifeMarks();
        Action<JournalEntry> take = replay.Take;
        var store = FileJournalStore.Open(JournalFolder(record.Id), _journalOptions, take + (entry => life.Take(entry)));
        foreach (var damage in store.Damage)
        {
            LogDamage(_logger, record.Id, damage);
        }

        var journal = new Journal(store, _time) { Life = life, LifeGoesOn = () => LifeGoesOn?.Invoke(record.Id) };
        return new Sandbox(record, environment, journal, executions, commands, _store, _options, _time, _logger, _network, _snapshotOptions, replay.LastTime);
    }

    private string JournalFolder(string id) => Path.Combine(_journals, id);

    [LoggerMessage(LogLevel.Error, "The journal of sandbox {SandboxId} is damaged: {Damage}")]
    private static partial void LogDamage(ILogger logger, string sandboxId, string damage);

    [LoggerMessage(LogLevel.Warning, "The journal of sandbox {SandboxId} could not be removed: {Reason}")]
    private static partial void LogNotForgotten(ILogger logger, string sandboxId, string reason);
}
