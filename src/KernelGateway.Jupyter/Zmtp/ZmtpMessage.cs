namespace KernelGateway.Jupyter.Zmtp;

/// <summary>One received message. The frames own their memory and may be kept.</summary>
public sealed class ZmtpMessage
{
    // What a message costs beside its bytes, so that a flood of empty frames counts against the high water too.
    private const int MessageOverhead = 96;
    private const int FrameOverhead = 16;

    private readonly ReadOnlyMemory<byte>[] _frames;

    internal ZmtpMessage(ReadOnlyMemory<byte>[] frames, long totalBytes, long totalFrames, bool oversize)
    {
        _frames = frames;
        TotalBytes = totalBytes;
        TotalFrames = totalFrames;
        Oversize = oversize;
    }

    /// <summary>The frames; of an <see cref="Oversize"/> message only the leading ones that fitted.</summary>
    public IReadOnlyList<ReadOnlyMemory<byte>> Frames => _frames;

    /// <summary>
    /// True when the message exceeded a limit of <see cref="ZmtpOptions"/>. The rest of it was read and thrown away;
    /// this marker stands in its place.
    /// </summary>
    public bool Oversize { get; }

    /// <summary>Bytes of all frames as the peer sent them, also of those thrown away.</summary>
    public long TotalBytes { get; }

    /// <summary>Number of frames as the peer sent them, also of those thrown away.</summary>
    public long TotalFrames { get; }

    /// <summary>
    /// Number of the connection it came by, counted from 1. A change between two messages means a time in which nobody
    /// listened; what a publisher sent then is lost.
    /// </summary>
    public int ConnectionNumber { get; internal init; }

    internal long Cost => MessageOverhead + (FrameOverhead * (long)_frames.Length) + (Oversize ? KeptBytes() : TotalBytes);

    internal ZmtpMessage WithoutDelimiter() =>
        new(_frames[1..], TotalBytes, TotalFrames - 1, Oversize) { ConnectionNumber = ConnectionNumber };

    private long KeptBytes()
    {
        var sum = 0L;
        foreach (var frame in _frames)
        {
            sum += frame.Length;
        }

        return sum;
    }
}
