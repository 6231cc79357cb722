using System.Globalization;
using System.Text;
using Serilog.Events;
using Serilog.Formatting;
using Serilog.Formatting.Display;

namespace KernelGateway.Server.Configuration;

/// <summary>Writes log events as text in which nothing that a client or a kernel said can forge a line or steer a terminal.</summary>
/// <remarks>Control characters are escaped as <c>\xNN</c>; the lines of an exception are indented, so that none looks like an event of its own.</remarks>
public sealed class LogLine : ITextFormatter
{
    private const string Indent = "\n    ";

    private readonly MessageTemplateTextFormatter _head = new("{Timestamp:HH:mm:ss.fff} {Level:u3} {Message:lj}", CultureInfo.InvariantCulture);

    /// <inheritdoc/>
    public void Format(LogEvent logEvent, TextWriter output)
    {
        ArgumentNullException.ThrowIfNull(logEvent);
        ArgumentNullException.ThrowIfNull(output);
        using var head = new StringWriter(CultureInfo.InvariantCulture);
        _head.Format(logEvent, head);
        var text = new StringBuilder();
        Escape(text, head.ToString(), "\\n");
        if (logEvent.Exception is { } exception)
        {
            text.Append(Indent);
            Escape(text, exception.ToString(), Indent);
        }

        output.Write(text.Append('\n'));
    }

    private static void Escape(StringBuilder text, string from, string newLine)
    {
        foreach (var c in from)
        {
            // Besides the control characters proper: those that turn the direction of text, and line ends of Unicode.
            var hidden = char.IsControl(c) || c is '\u2028' or '\u2029' or (>= '\u202a' and <= '\u202e') or (>= '\u2066' and <= '\u2069');
            _ = (c, hidden) switch
            {
                ('\n', _) => text.Append(newLine),
                (_, false) => text.Append(c),
                ( <= '\xff', _) => text.Append(CultureInfo.InvariantCulture, $"\\x{(int)c:x2}"),
                _ => text.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"),
            };
        }
    }
}
