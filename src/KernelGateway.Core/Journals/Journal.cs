using System.Runtime.CompilerServices;

namespace KernelGateway.Core.Journals;

/// <summary>The numbered, durable record of everything a sandbox said. It gives the numbers; every reader is "entries after N".</summary>
public sealed class Journal(IJournalStore store, TimeProvider time) : IDisposable
{
    private readonly Lock _gate = new();
    private TaskCompletionSource _appended = NewSignal();
    private bool _completed;

    /// <summary>Where in it the life of its sandbox is told.</summary>
    internal LifeMarks Life { get; init; } = new();

    /// <summary>Is called after an entry that tells of it was appended; must return at once and not throw.</summary>
    internal Action? LifeGoesOn { get; init; }

    /// <summary>The number of the newest entry; 0 when there is none.</summary>
    public long LastSequence => store.LastSequence;

    /// <summary>The number of the oldest entry that is still there.</summary>
    public long FirstSequence => store.FirstSequence;

    /// <summary>Numbers, dates and stores the entries, in order, all or none, and wakes the readers.</summary>
    /// <returns>The number of the last of them.</returns>
    public long Append(params IReadOnlyList<JournalEntry> drafts)
    {
        if (drafts.Count == 0)
        {
            return store.LastSequence;
        }

        TaskCompletionSource wake;
        long last;
        var alive = false;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_completed, this);
            var next = store.LastSequence + 1;
            var now = time.GetUtcNow();
            var entries = new JournalEntry[drafts.Count];
            for (var i = 0; i < entries.Length; i++)
            {
                entries[i] = drafts[i] with { Sequence = next + i, Time = now };
            }

            store.Append(entries);
            last = store.LastSequence;
            foreach (var entry in entries)
            {
                alive |= Life.Take(entry);
            }

            wake = _appended;
            _appended = NewSignal();
        }

        wake.TrySetResult();
        if (alive)
        {
            LifeGoesOn?.Invoke();
        }

        return last;
    }

    /// <summary>A reader that stands behind entry <paramref name="after"/> and does not wait.</summary>
    internal IJournalCursor OpenCursor(long after) => store.OpenCursor(after);

    /// <summary>Entries after number <paramref name="after"/>; with <paramref name="follow"/> it waits for more until the journal is complete.</summary>
    public async IAsyncEnumerable<JournalEntry> ReadAsync(long after, bool follow, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        using var cursor = store.OpenCursor(after);
        while (true)
        {
            // Taken before reading: an append in between completes it and nothing is slept through.
            Task signal;
            bool ended;
            lock (_gate)
            {
                signal = _appended.Task;
                ended = _completed;
            }

            while (cursor.TryRead(out var entry))
            {
                yield return entry;
                cancellationToken.ThrowIfCancellationRequested();
            }

            if (!follow || ended)
            {
                yield break;
            }

            await signal.WaitAsync(cancellationToken);
        }
    }

    /// <summary>Nothing will be appended any more: readers that follow come to an end, and no file stays open for the time in which the rest can still be read.</summary>
    public void Complete()
    {
        TaskCompletionSource wake;
        lock (_gate)
        {
            _completed = true;
            wake = _appended;
        }

        wake.TrySetResult();
        store.Seal();
    }

    /// <summary>Removes old entries, segment by segment; readers are told which are missing.</summary>
    public void RemoveOlderThan(DateTimeOffset before) => store.RemoveOlderThan(before);

    /// <summary>Makes what was appended safe against a power cut.</summary>
    public void Flush() => store.Flush();

    /// <inheritdoc/>
    public void Dispose()
    {
        Complete();
        store.Dispose();
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
