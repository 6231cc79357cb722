using System.Globalization;
using KernelGateway.Core.KernelLogs;
using KernelGateway.Core.Provisioning;

namespace KernelGateway.Provisioners.Remote;

/// <summary>The copy of one log: files of the same names with the same bytes at the same places, so that it says itself where it is to go on.</summary>
internal sealed class LogCopy
{
    /// <summary>With so many bytes that the reader has not removed it waits, and then so does the command.</summary>
    internal const long MaxUnread = 4 << 20;

    private const long LastSegment = 9_999_999_998;
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private readonly KernelLogLocation _location;

    private LogCopy(KernelLogLocation location, long segment, long offset)
    {
        _location = location;
        Segment = segment;
        Offset = offset;
    }

    /// <summary>The number of the segment that is copied.</summary>
    internal long Segment { get; private set; }

    /// <summary>How much of it is there.</summary>
    internal long Offset { get; private set; }

    /// <summary>Whether it waits for its reader, as of the last check.</summary>
    internal bool IsFull { get; private set; }

    /// <summary>Nothing more comes.</summary>
    internal bool IsOver { get; private set; }

    internal static LogCopy Open(KernelLogLocation location)
    {
        Directory.CreateDirectory(location.Directory, OwnerOnly);
        var last = Segments(location).DefaultIfEmpty(0).Max();
        return last == 0 ? new LogCopy(location, 1, 0) : new LogCopy(location, last, new FileInfo(PathOf(location, last)).Length);
    }

    internal static void Remove(KernelLogLocation location)
    {
        foreach (var segment in Segments(location))
        {
            File.Delete(PathOf(location, segment));
        }

        if (Directory.Exists(location.Directory))
        {
            Directory.Delete(location.Directory);
        }
    }

    /// <summary>Adds what comes next.</summary>
    /// <param name="segment">Where it belongs: here, or at the start of a later segment when those between are gone.</param>
    /// <param name="offset">Likewise.</param>
    /// <param name="data">The bytes.</param>
    /// <param name="final">The size of the segment when a later one exists. It can be less than what is here: the writer takes an unfinished record back when its disk is full, and writes it into the next.</param>
    internal void Add(long segment, long offset, ReadOnlySpan<byte> data, long? final)
    {
        if (segment > Segment && offset == 0 && segment <= LastSegment)
        {
            (Segment, Offset) = (segment, 0);
        }

        if (segment != Segment || offset != Offset || (final is not null && offset + data.Length > final && data.Length > 0))
        {
            throw RemoteAnswer.Malformed();
        }

        var path = PathOf(_location, Segment);
        using (var file = File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete))
        {
            RandomAccess.Write(file, data, Offset);
            Offset += data.Length;
            if (final is not { } size || Offset < size)
            {
                return;
            }

            if (Offset > size)
            {
                RandomAccess.SetLength(file, size);
            }

            // Before the next one is asked for, with which this one is removed there.
            RandomAccess.FlushToDisk(file);
        }

        (Segment, Offset) = (Segment + 1, 0);
    }

    /// <summary>Looks whether there is room for more.</summary>
    internal bool CheckFull()
    {
        long unread = 0;
        foreach (var segment in Segments(_location))
        {
            var file = new FileInfo(PathOf(_location, segment));
            unread += file.Exists ? file.Length : 0;
        }

        return IsFull = unread >= MaxUnread;
    }

    /// <summary>Its writer is gone: it is brought to an end.</summary>
    internal void End()
    {
        if (!IsOver)
        {
            IsOver = true;
            AbandonedLog.WriteEnd(_location, Segment + 1);
        }
    }

    private static IEnumerable<long> Segments(KernelLogLocation location) => Directory.Exists(location.Directory)
        ? Directory.EnumerateFiles(location.Directory, "*.seg")
            .Select(path => long.TryParse(Path.GetFileNameWithoutExtension(path), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0)
            .Where(number => number > 0)
        : [];

    private static string PathOf(KernelLogLocation location, long segment) =>
        Path.Combine(location.Directory, segment.ToString("D10", CultureInfo.InvariantCulture) + ".seg");
}
