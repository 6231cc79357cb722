using KernelGateway.Contracts.Snapshots;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Faults;
using KernelGateway.Core.Files;
using KernelGateway.Core.Journals;
using KernelGateway.Core.Kernels;
using KernelGateway.Core.Provisioning;
using KernelGateway.Core.Snapshots;

namespace KernelGateway.Core.Sandboxes;

/// <summary>What it has at one moment, and getting that from a snapshot.</summary>
public sealed partial class Sandbox
{
    /// <summary>Keeps its files and variables as they are at one moment: no code of its contexts runs meanwhile.</summary>
    /// <param name="draft">Where to.</param>
    /// <param name="request">Which contexts, and whether to wait for running code.</param>
    /// <param name="variants">The variants that can, for a refusal.</param>
    /// <param name="cancellationToken">Gives it up.</param>
    /// <exception cref="GatewayException">Nothing was kept; the message says why.</exception>
    internal async Task<StoredSnapshot> SnapshotAsync(SnapshotDraft draft, CreateSnapshotRequest request, IReadOnlyCollection<string> variants, CancellationToken cancellationToken)
    {
        var wait = WaitOf(request, draft.Options);
        await AwakeAsync(cancellationToken);
        return await LiveAsync(
            async either =>
            {
                var record = DemandLive("kept in a snapshot");
                _ = Session(null); // It may have been paused meanwhile, and a kernel that stands still answers nothing.
                var place = PowerOf<IFileHost>(record, "keep snapshots", variants);
                using var lease = Lease();
                var wanted = WantedOf(request.ContextIds);
                var holds = await HoldAsync(wait, either);
                try
                {
                    return await WithinAsync(draft.Options, "The snapshot was not made", token => KeepAsync(draft, record, place, wanted, token), either);
                }
                finally
                {
                    holds.ForEach(hold => hold.Dispose());
                }
            },
            cancellationToken);
    }

    private async Task<StoredSnapshot> KeepAsync(SnapshotDraft draft, SandboxRecord record, IFileHost place, HashSet<string>? wanted, CancellationToken cancellationToken)
    {
        var files = place.Files;
        var work = await WorkFolderAsync(files, cancellationToken);
        await SnapshotVariables.TidyUpAsync(place, Id, cancellationToken);
        var contexts = new List<(SnapshotContext Shown, StoredContext Stored)>();
        foreach (var session in _contexts.All)
        {
            contexts.Add(await KeepAsync(session, contexts.Count, draft, files, work, wanted, cancellationToken));
        }

        var (kept, notKept) = await SnapshotFiles.KeepAsync(files, [.. _environment.Mounts.Select(m => m.Target)], draft, cancellationToken);
        var content = new SnapshotContent([.. contexts.Select(c => c.Shown)], [.. contexts.Select(c => c.Stored)], kept, notKept);
        var snapshot = await draft.CommitAsync(record, _time.GetUtcNow(), content, cancellationToken);
        var info = snapshot.Info;
        Journal.Append(new JournalEntry
        {
            Kind = JournalEntryKind.SandboxSnapshotted,
            Frames = Notes.Frame(new Notes.SnapshotNote(info.Id, draft.IsTemporary ? null : info.Name, info.Size, info.Files, info.Variables, info.NotKept)),
        });
        return snapshot;
    }

    private async Task<(SnapshotContext Shown, StoredContext Stored)> KeepAsync(
        KernelSession session, int number, SnapshotDraft draft, ISandboxFiles files, string work, HashSet<string>? wanted, CancellationToken cancellationToken)
    {
        var context = session.Record with { KernelId = "" };
        context = context with { WorkingDirectory = context.WorkingDirectory is { } folder ? FileSurvey.InSnapshot(folder, work) : null };
        var reason = wanted?.Contains(session.Id) == false ? "It was not asked for."
            : !session.TellsVariables ? $"The kernel '{context.KernelName}' cannot keep its variables; Python kernels can."
            : !session.IsAlive ? "Its kernel is dead."
            : null;
        if (reason is not null)
        {
            return (Shown(reason, [], []), new StoredContext(context, null, false));
        }

        var (kept, notKept, at) = await SnapshotVariables.WithFolderAsync(
            files, _record, draft.Options, variables => variables.KeepAsync(session, number, draft, cancellationToken), cancellationToken);
        return (Shown(null, kept, notKept), new StoredContext(context, at is null ? null : FileSurvey.InSnapshot(at, work), true));

        SnapshotContext Shown(string? why, IReadOnlyList<SnapshotVariable> variables, IReadOnlyList<NotKept> left) =>
            new(context.Id, context.Name, context.KernelName, session.Info.Language, context.WorkingDirectory, why, variables, left);
    }

    /// <summary>Brings back what is in a snapshot: files first, for contexts may start in folders of it, then kernels, then their variables.</summary>
    private async Task RestoreAsync(IKernelHost host, OpenedSnapshot from, CancellationToken cancellationToken)
    {
        var place = host as IFileHost ?? throw new GatewayException(ErrorCode.NotSupported, $"The variant '{_record.Variant}' cannot be given the files of a snapshot.", "variant");
        await WithinAsync(_snapshotOptions, "The snapshot was not restored", async token =>
        {
            await place.OpenFilesAsync(token);
            var files = place.Files;
            var (count, homeless) = await SnapshotFiles.RestoreAsync(files, from.Part(PartNames.Files), token);
            Fault.At("snapshot.files_restored");
            var work = await WorkFolderAsync(files, token);
            var variables = 0;
            var lost = new List<NotKept>(homeless);
            for (var number = 0; number < from.Snapshot.Contexts.Count; number++)
            {
                var context = from.Snapshot.Contexts[number];
                var session = await StartContextAsync(host, context.Record, work, token);
                if (context.HasVariables)
                {
                    var cwd = context.Folder is null ? null : FileSurvey.InSandbox(context.Folder, work);
                    var done = await SnapshotVariables.WithFolderAsync(
                        files, _record, _snapshotOptions, all => all.RestoreAsync(session, number, from, cwd, token), token);
                    variables += done.Restored;
                    lost.AddRange(done.Lost);
                }
            }

            const int MostTold = 100;
            Journal.Append(new JournalEntry
            {
                Kind = JournalEntryKind.SandboxRestored,
                Frames = Notes.Frame(new Notes.RestoredNote(from.Snapshot.Info.Id, count, variables, [.. lost.Take(MostTold)], _record.Warnings)),
            });
            return true;
        }, cancellationToken);
    }

    private async Task<KernelSession> StartContextAsync(IKernelHost host, ContextRecord stored, string work, CancellationToken cancellationToken)
    {
        if (!_environment.Kernels.ContainsKey(stored.KernelName))
        {
            throw new GatewayException(
                ErrorCode.InvalidArgument,
                $"The snapshot has a context with the kernel '{stored.KernelName}', which the environment '{_environment.Name}' does not have. Leave 'environment' out to have that of the snapshot.",
                "environment");
        }

        var context = stored with { WorkingDirectory = stored.WorkingDirectory is { } folder ? FileSurvey.InSandbox(folder, work) : null };
        if (_contexts.Count > 0)
        {
            return await AddContextAsync(context, cancellationToken);
        }

        var session = NewSession(host, context);
        _contexts.Add(session); // At once: it is shown while it starts.
        await session.StartAsync(NextKernelId(), KernelVariables(context), cancellationToken);
        RememberKernel(session);
        return session;
    }

    /// <summary>Holds all contexts still; none when one of them cannot be.</summary>
    private async Task<List<IDisposable>> HoldAsync(TimeSpan wait, CancellationToken cancellationToken)
    {
        using var patience = new CancellationTokenSource(wait, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellationToken);
        var holding = _contexts.All.Select(session => session.HoldAsync(wait > TimeSpan.Zero, either.Token)).ToList();
        try
        {
            return [.. await Task.WhenAll(holding)];
        }
        catch (Exception e)
        {
            await either.CancelAsync();
            foreach (var hold in holding)
            {
                await ((Task)hold).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                if (hold.IsCompletedSuccessfully)
                {
                    (await hold).Dispose();
                }
            }

            throw e is OperationCanceledException && patience.IsCancellationRequested && !cancellationToken.IsCancellationRequested
                ? new GatewayException(ErrorCode.Conflict, $"Code still runs in the sandbox after {wait.TotalSeconds:0.###} s, so that no snapshot was made. Interrupt it, or give a longer 'waitSeconds'.")
                : e;
        }
    }

    private async Task<T> WithinAsync<T>(SnapshotOptions options, string what, Func<CancellationToken, Task<T>> act, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(options.Timeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            return await act(either.Token);
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new GatewayException(ErrorCode.LimitReached, $"{what} within {options.Timeout.TotalSeconds:0.#} s, the most it may take. Remove files or variables, or have Gateway:Snapshots:Timeout raised.");
        }
    }

    /// <summary>The contexts whose variables are wanted; <c>null</c>: all.</summary>
    private HashSet<string>? WantedOf(IReadOnlyList<string>? contextIds)
    {
        foreach (var id in contextIds ?? [])
        {
            _ = _contexts.Find(id ?? "");
        }

        return contextIds?.ToHashSet(StringComparer.Ordinal);
    }

    private static TimeSpan WaitOf(CreateSnapshotRequest request, SnapshotOptions options)
    {
        var seconds = request.WaitSeconds ?? options.MaxWait.TotalSeconds;
        if (!(seconds >= 0 && seconds <= options.MaxWait.TotalSeconds))
        {
            throw new GatewayException(ErrorCode.InvalidArgument, $"'waitSeconds' must be between 0 and {options.MaxWait.TotalSeconds:0.###}.", "waitSeconds");
        }

        return request.Wait is false ? TimeSpan.Zero : TimeSpan.FromSeconds(seconds);
    }

    private static async Task<string> WorkFolderAsync(ISandboxFiles files, CancellationToken cancellationToken) =>
        (await files.StatAsync(SandboxPath.Parse("."), cancellationToken)).Path.TrimEnd('/');
}
