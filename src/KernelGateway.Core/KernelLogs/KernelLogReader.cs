using System.Diagnostics.CodeAnalysis;
using KernelGateway.Core.Files;
using KernelGateway.Core.Provisioning;

namespace KernelGateway.Core.KernelLogs;

/// <summary>Reads the log that a launched kernel writes before it publishes (see <c>kernel-images/launcher/kernel_log.py</c> for the format).</summary>
/// <remarks>
/// <para>The log belongs to sandboxed code and is hostile: it may be torn, forged, oversized, endless, or replaced by links and
/// FIFOs. A record is only ever returned when its checksum and number are right; whatever is not becomes a <see cref="Fault"/>,
/// reported once, and reading goes on where that makes sense: after a bad record with the next segment, since nothing tells
/// where the next record would begin; after a gap with the sound record that follows it. Each call ends after a bounded
/// amount of work and never waits. Memory is bounded by one buffer and one record.</para>
/// <para>Not thread-safe: one owner reads and acknowledges. Trouble of the gateway itself (out of file descriptors or memory, a
/// failing disk) is an <see cref="IOException"/>; nothing has moved then and the call can be repeated.</para>
/// </remarks>
public sealed class KernelLogReader : IDisposable
{
    // More names than this are not looked through: with the writer's limits there are some dozens.
    private const int NamesLimit = 4096;

    // A segment that is missing while later ones exist is the doing of sandboxed code; it may take a moment to be seen.
    private const int LooksPerListing = 16;

    private readonly KernelLogLocation _location;
    private readonly RecordParser _parser;
    private readonly SegmentReader _segment = new();
    private ConfinedDirectory? _folder;
    private bool _ended;
    private KernelLogRecord? _afterGap;
    private long _removedBefore;
    private int _looks;

    private KernelLogReader(KernelLogLocation location, KernelLogPosition start, KernelLogOptions options)
    {
        _location = location;
        _parser = new RecordParser(options.PayloadLimit);
        Position = start;
    }

    /// <summary>The place up to which everything was returned or reported. After <see cref="TryRead"/> returned a record it is the place right after that.</summary>
    public KernelLogPosition Position { get; private set; }

    /// <summary>Why the last <see cref="TryRead"/> returned nothing, when a fault was the reason; call it again to read on.</summary>
    public KernelLogFault? Fault { get; private set; }

    /// <summary>Makes a reader. Nothing is opened before the first read, and the folder need not exist yet.</summary>
    /// <param name="location">The folder, and the uid its files must belong to.</param>
    /// <param name="start"><see cref="KernelLogPosition.Start"/>, or a stored position to resume after.</param>
    /// <param name="options">Limits.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number of the position is negative, or a limit is out of range.</exception>
    public static KernelLogReader Open(KernelLogLocation location, KernelLogPosition start, KernelLogOptions options)
    {
        ArgumentNullException.ThrowIfNull(location);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfLessThan(start.Segment, 1, nameof(start));
        ArgumentOutOfRangeException.ThrowIfNegative(start.Offset, nameof(start));
        ArgumentOutOfRangeException.ThrowIfNegative(start.Sequence, nameof(start));
        ArgumentOutOfRangeException.ThrowIfLessThan(options.PayloadLimit, KernelLogOptions.SmallestPayloadLimit, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.PayloadLimit, KernelLogOptions.LargestPayloadLimit, nameof(options));
        return new KernelLogReader(location, start, options);
    }

    /// <summary>Reads the next record when a complete one is there. Never waits.</summary>
    /// <param name="record">The record, when the answer is true.</param>
    /// <returns>False when no complete record is there now, or when a <see cref="Fault"/> was found.</returns>
    /// <exception cref="IOException">The gateway itself is in trouble; see the remarks of this class.</exception>
    public bool TryRead([NotNullWhen(true)] out KernelLogRecord? record)
    {
        record = null;
        Fault = null;
        if (_ended || !OpenFolder())
        {
            return false;
        }

        if (_afterGap is not null)
        {
            record = _afterGap;
            _afterGap = null;
            Position = record.After;
            return true;
        }

        while (OpenSegment())
        {
            switch (_parser.Parse(_segment, Position, out record))
            {
                case ParseOutcome.Record:
                    return Accept(ref record);
                case ParseOutcome.Fault:
                    return SkipSegment(_parser.FaultKind, _parser.FaultMessage);
                case ParseOutcome.Nothing when !AdvanceOverEnd():
                    return false;
            }
        }

        return false;
    }

    /// <summary>Removes the segments that lie wholly before a position, so that the kernel may write more. Call it whenever what was read is stored, also with no record since: a full disk may wait for it.</summary>
    /// <param name="upTo">Where to resume after a crash; not after <see cref="Position"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">The position has not been read yet.</exception>
    public void Acknowledge(KernelLogPosition upTo)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(upTo.Segment, Position.Segment, nameof(upTo));
        if (_folder is null || upTo.Segment <= _removedBefore)
        {
            return;
        }

        foreach (long number in SegmentNumbers())
        {
            if (number < upTo.Segment)
            {
                // Best effort: a hostile folder may refuse, and then its own kernel waits.
                _folder.Unlink(SegmentName.Of(number));
            }
        }

        _removedBefore = upTo.Segment;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _ended = true;
        _segment.Dispose();
        _folder?.Dispose();
    }

    private bool OpenFolder()
    {
        if (_folder is not null)
        {
            return true;
        }

        PosixError error = ConfinedDirectory.TryOpen(_location.Directory, out ConfinedDirectory? folder);
        if (error == PosixError.NotFound && Position == KernelLogPosition.Start)
        {
            return false;
        }

        SegmentReader.ThrowIfOurs(error);
        if (folder is null)
        {
            return End($"The folder of the kernel's log cannot be opened ({error}).");
        }

        uint owner = folder.Describe().OwnerUid;
        if (owner != _location.OwnerUid)
        {
            folder.Dispose();
            return End($"The folder of the kernel's log belongs to uid {owner} instead of {_location.OwnerUid}.");
        }

        _folder = folder;
        return true;
    }

    private bool OpenSegment()
    {
        if (_segment.IsOpen)
        {
            return true;
        }

        _looks = 0;
        PosixError error = _segment.TryOpen(_folder!, Position, _location.OwnerUid, out string? refusal);
        if (error == PosixError.None)
        {
            return true;
        }

        if (error != PosixError.NotFound)
        {
            return SkipSegment(KernelLogFaultKind.Refused, $"Segment {Position.Segment} was refused: {refusal}.");
        }

        if (Position.Offset > 0)
        {
            return SkipSegment(KernelLogFaultKind.Vanished, $"Segment {Position.Segment} has been removed before all of it was read.");
        }

        long next = SegmentNumbers().Where(number => number > Position.Segment).DefaultIfEmpty(0).Min();
        if (next == 0)
        {
            return false;
        }

        string message = $"Segment {Position.Segment} is missing; segment {next} exists.";
        Fault = new KernelLogFault(KernelLogFaultKind.Vanished, Position.Segment, 0, message);
        Position = Position with { Segment = next };
        return false;
    }

    private bool Accept(ref KernelLogRecord? record)
    {
        long expected = Position.Sequence + 1;
        long sequence = record!.Sequence;
        if (sequence < expected)
        {
            record = null;
            return SkipSegment(KernelLogFaultKind.Repeated, $"Record {sequence} follows record {expected - 1}.");
        }

        if (sequence > expected)
        {
            _afterGap = record;
            record = null;
            string message = $"Record {sequence} follows record {expected - 1}; those between are lost.";
            Fault = new KernelLogFault(KernelLogFaultKind.Gap, Position.Segment, Position.Offset, message);
            return false;
        }

        Position = record.After;
        return true;
    }

    /// <summary>At the end of what is there: goes to the next segment when there is one and this one is complete.</summary>
    /// <returns>False when nothing can be read now.</returns>
    private bool AdvanceOverEnd()
    {
        if (_segment.Length() < Position.Offset)
        {
            return SkipSegment(KernelLogFaultKind.Truncated, $"Segment {Position.Segment} became shorter than what was read of it.");
        }

        if (!HasLaterSegment())
        {
            return false;
        }

        // The writer may have added to this segment, or taken back an unfinished record, right before it made the next.
        if (!_segment.IsFinal)
        {
            _segment.Rewind(Position.Offset);
            _segment.IsFinal = true;
            return true;
        }

        if (_segment.Length() > Position.Offset)
        {
            return SkipSegment(KernelLogFaultKind.Torn, $"Segment {Position.Segment} ends within a record.");
        }

        _segment.Close();
        Position = Position with { Segment = Position.Segment + 1, Offset = 0 };
        return true;
    }

    /// <summary>Looks for the very next segment, and only now and then for others: this is asked after every message, and listing a folder is dear.</summary>
    private bool HasLaterSegment() =>
        _segment.IsFinal
        || _folder!.Has(SegmentName.Of(Position.Segment + 1))
        || (_looks++ % LooksPerListing == 0 && SegmentNumbers().Any(number => number > Position.Segment));

    private bool SkipSegment(KernelLogFaultKind kind, string message)
    {
        Fault = new KernelLogFault(kind, Position.Segment, Position.Offset, message);
        _segment.Close();
        Position = Position with { Segment = Position.Segment + 1, Offset = 0 };
        return false;
    }

    private bool End(string message)
    {
        Fault = new KernelLogFault(KernelLogFaultKind.Folder, Position.Segment, Position.Offset, message);
        _ended = true;
        return false;
    }

    private IEnumerable<long> SegmentNumbers() =>
        _folder!.List(NamesLimit).Select(SegmentName.NumberOf).Where(number => number > 0);
}
