using KernelGateway.Core.Errors;

namespace KernelGateway.Core.Journals;

/// <summary>Keeps the entries of one sandbox. One writer at a time, any number of cursors.</summary>
public interface IJournalStore : IDisposable
{
    /// <summary>The number of the oldest entry still there; <see cref="LastSequence"/> + 1 when there is none.</summary>
    long FirstSequence { get; }

    /// <summary>The number of the newest entry; 0 when there never was one.</summary>
    long LastSequence { get; }

    /// <summary>Appends entries whose numbers follow <see cref="LastSequence"/>. All of them or none; visible to cursors on return.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.StorageFull"/> when they cannot be written now; it may be tried again.</exception>
    void Append(IReadOnlyList<JournalEntry> entries);

    /// <summary>Makes what was appended safe against a power cut.</summary>
    void Flush();

    /// <summary>Removes the oldest entries where none of their neighbours on disk is younger than <paramref name="before"/>.</summary>
    void RemoveOlderThan(DateTimeOffset before);

    /// <summary>Nothing will be appended any more: lets go of what only appending needs. Reading goes on.</summary>
    void Seal();

    /// <summary>A reader that stands behind entry <paramref name="after"/>.</summary>
    IJournalCursor OpenCursor(long after);
}

/// <summary>A reader's place in a journal. Not safe for use by two threads at once.</summary>
public interface IJournalCursor : IDisposable
{
    /// <summary>Reads the next entry; false when there is none yet. Where entries are gone it gives one <see cref="JournalEntryKind.Truncated"/> entry in their place.</summary>
    bool TryRead(out JournalEntry entry);
}
