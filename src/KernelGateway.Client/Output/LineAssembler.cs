using System.Text;

namespace KernelGateway.Client.Output;

/// <summary>Makes whole lines out of the pieces one stream arrives in.</summary>
internal sealed class LineAssembler(string stream, Action<OutputMessage> deliver)
{
    /// <summary>Characters after which a line is delivered in parts: code that never ends its line must not fill our memory.</summary>
    public const int LongestLine = 1024 * 1024;

    private readonly StringBuilder _line = new();
    private DateTimeOffset _time;

    // A CR at the end of a piece: only the next piece tells whether an LF belongs to it.
    private bool _returned;

    public void Add(string text, DateTimeOffset time)
    {
        _time = time;
        var rest = text.AsSpan();
        if (_returned && !rest.IsEmpty)
        {
            _returned = false;
            rest = EndAtReturn(rest);
        }

        while (!rest.IsEmpty)
        {
            var end = rest.IndexOfAny('\r', '\n');
            if (end < 0)
            {
                Append(rest);
                return;
            }

            Append(rest[..end]);
            var wasReturn = rest[end] == '\r';
            rest = rest[(end + 1)..];
            if (!wasReturn)
            {
                End();
            }
            else if (rest.IsEmpty)
            {
                _returned = true;
            }
            else
            {
                rest = EndAtReturn(rest);
            }
        }
    }

    /// <summary>Delivers what has no line end yet: nothing more will come.</summary>
    public void Flush()
    {
        _returned = false;
        if (_line.Length > 0)
        {
            End();
        }
    }

    /// <summary>Ends the line after a CR; <paramref name="next"/> is what follows and not empty.</summary>
    private ReadOnlySpan<char> EndAtReturn(ReadOnlySpan<char> next)
    {
        if (next[0] == '\n')
        {
            End();
            return next[1..];
        }

        // A bar begins with CR as often as it ends with one: the nothing before it is not a line.
        if (_line.Length > 0)
        {
            End();
        }

        return next;
    }

    private void Append(ReadOnlySpan<char> part)
    {
        while (_line.Length + part.Length > LongestLine)
        {
            var room = LongestLine - _line.Length;
            if (room > 0 && char.IsHighSurrogate(part[room - 1]))
            {
                room--;
            }

            _line.Append(part[..room]);
            part = part[room..];
            End();
        }

        _line.Append(part);
    }

    private void End()
    {
        var line = _line.ToString();
        _line.Clear();
        deliver(new OutputMessage(line, _time, stream == "stderr", stream));
    }
}
