namespace KernelGateway.Jupyter.Zmtp;

internal enum DecodedKind
{
    /// <summary>More bytes are needed.</summary>
    Nothing,
    Message,
    Command,
}

/// <summary>
/// Makes messages of the bytes of a connection, without input or output of its own. What it holds is bounded by the
/// limits whatever the peer sends: a frame beyond them is counted and thrown away as it comes.
/// </summary>
internal sealed class MessageDecoder(InputBuffer input, ZmtpOptions limits, int connectionNumber)
{
    /// <summary>Largest command read. The largest useful one is READY with its metadata.</summary>
    public const int MaxCommandBytes = 64 * 1024;

    // A frame is given memory as it arrives: announcing a length must not be enough to make us spend it.
    private const int FirstBodyBytes = 1024 * 1024;

    // Below this, reading on into the input buffer (with what follows) saves a system call and costs a small copy.
    private const int DirectReadBytes = 8 * 1024;

    private readonly List<ReadOnlyMemory<byte>> _frames = [];
    private bool _inMessage;
    private bool _oversize;
    private long _totalBytes;
    private long _totalFrames;

    // The frame under way, kept or thrown away; _left is what is still to come.
    private bool _inFrame;
    private bool _more;
    private long _left;
    private byte[]? _body;
    private int _bodyFilled;

    private int _commandNeeds;
    private bool _lastReadWasDirect;

    /// <summary>The body of the command just decoded; valid until the next call.</summary>
    public ReadOnlyMemory<byte> Command { get; private set; }

    /// <summary>Where the next read goes: into the frame under way if it is large, else into the input buffer.</summary>
    public Memory<byte> NextTarget()
    {
        _lastReadWasDirect = _body is not null && _left >= DirectReadBytes && input.Count == 0;
        if (!_lastReadWasDirect)
        {
            return input.Free(Math.Max(FrameHeader.MaxSize, _commandNeeds));
        }

        GrowBody();
        return _body.AsMemory(_bodyFilled, (int)Math.Min(_left, _body!.Length - _bodyFilled));
    }

    /// <summary>Tells how many bytes were read into <see cref="NextTarget"/>.</summary>
    public void Filled(int count)
    {
        if (_lastReadWasDirect)
        {
            _bodyFilled += count;
            _left -= count;
        }
        else
        {
            input.Filled(count);
        }
    }

    /// <summary>Decodes the next message or command out of what has been read.</summary>
    /// <exception cref="ZmtpException"><see cref="ZmtpErrorKind.ProtocolViolation"/>.</exception>
    public DecodedKind TryRead(out ZmtpMessage? message)
    {
        message = null;
        while (true)
        {
            if (_inFrame)
            {
                TakeFrameBytes();
                if (_left > 0)
                {
                    return DecodedKind.Nothing;
                }

                EndFrame();
                if (!_more)
                {
                    message = EndMessage();
                    return DecodedKind.Message;
                }
            }

            if (!_inMessage && TryReadWhole(out message))
            {
                return DecodedKind.Message;
            }

            if (!FrameHeader.TryParse(input.Unread, out var header))
            {
                return DecodedKind.Nothing;
            }

            if (header.Command)
            {
                // libzmq sends PING between the frames of a message, so a command may come anywhere.
                return TryReadCommand(header) ? DecodedKind.Command : DecodedKind.Nothing;
            }

            input.Consume(header.Size);
            BeginFrame(header);
        }
    }

    /// <summary>The usual case: a message that is there as a whole gets one piece of memory.</summary>
    private bool TryReadWhole(out ZmtpMessage? message)
    {
        message = null;
        var bytes = input.Unread;
        var offset = 0;
        var count = 0;
        var sum = 0L;
        FrameHeader header;
        do
        {
            if (!FrameHeader.TryParse(bytes[offset..], out header) || header.Command
                || header.Length > limits.MaxFrameBytes || header.Length > bytes.Length - offset - header.Size
                || ++count > limits.MaxFrames)
            {
                return false;
            }

            offset += header.Size + (int)header.Length;
            sum += header.Length;
        }
        while (header.More);

        if (sum > limits.MaxMessageBytes)
        {
            return false;
        }

        var memory = sum == 0 ? [] : GC.AllocateUninitializedArray<byte>((int)sum);
        var frames = new ReadOnlyMemory<byte>[count];
        var written = 0;
        offset = 0;
        for (var i = 0; i < count; i++)
        {
            _ = FrameHeader.TryParse(bytes[offset..], out header);
            var length = (int)header.Length;
            bytes.Slice(offset + header.Size, length).CopyTo(memory.AsSpan(written));
            frames[i] = memory.AsMemory(written, length);
            written += length;
            offset += header.Size + length;
        }

        input.Consume(offset);
        message = new ZmtpMessage(frames, sum, count, oversize: false) { ConnectionNumber = connectionNumber };
        return true;
    }

    private bool TryReadCommand(FrameHeader header)
    {
        if (header.Length > MaxCommandBytes)
        {
            throw ZmtpException.Violation($"A command of {header.Length} bytes; at most {MaxCommandBytes} are read.");
        }

        var size = header.Size + (int)header.Length;
        if (input.Count < size)
        {
            _commandNeeds = size;
            return false;
        }

        _commandNeeds = 0;
        Command = input.Unread.Slice(header.Size, (int)header.Length).ToArray();
        input.Consume(size);
        return true;
    }

    private void BeginFrame(FrameHeader header)
    {
        _inMessage = true;
        _inFrame = true;
        _more = header.More;
        _left = header.Length;
        _totalFrames++;
        _totalBytes = header.Length > long.MaxValue - _totalBytes ? long.MaxValue : _totalBytes + header.Length;
        _oversize |= header.Length > limits.MaxFrameBytes || _totalBytes > limits.MaxMessageBytes || _totalFrames > limits.MaxFrames;
        if (!_oversize)
        {
            _body = header.Length == 0 ? [] : GC.AllocateUninitializedArray<byte>((int)Math.Min(header.Length, FirstBodyBytes));
            _bodyFilled = 0;
        }
    }

    private void TakeFrameBytes()
    {
        while (_left > 0 && input.Count > 0)
        {
            var take = (int)Math.Min(_left, input.Count);
            if (_body is not null)
            {
                GrowBody();
                take = Math.Min(take, _body.Length - _bodyFilled);
                input.Unread[..take].CopyTo(_body.AsSpan(_bodyFilled));
                _bodyFilled += take;
            }

            input.Consume(take);
            _left -= take;
        }
    }

    private void GrowBody()
    {
        if (_bodyFilled == _body!.Length && _left > 0)
        {
            var larger = GC.AllocateUninitializedArray<byte>((int)Math.Min(_bodyFilled + _left, _bodyFilled * 4L));
            _body.CopyTo(larger, 0);
            _body = larger;
        }
    }

    private void EndFrame()
    {
        _inFrame = false;
        if (_body is not null)
        {
            _frames.Add(_body);
            _body = null;
        }
    }

    private ZmtpMessage EndMessage()
    {
        var message = new ZmtpMessage([.. _frames], _totalBytes, _totalFrames, _oversize) { ConnectionNumber = connectionNumber };
        _frames.Clear();
        _inMessage = _oversize = false;
        _totalBytes = _totalFrames = 0;
        return message;
    }
}
