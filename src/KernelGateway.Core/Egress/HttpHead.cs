using System.Text;
using KernelGateway.Core.Policies;

namespace KernelGateway.Core.Egress;

/// <summary>First line and fields of an HTTP/1 message, read strictly (RFC 9112): what two readers could understand in two ways is refused.</summary>
internal sealed record HttpHead(string First, IReadOnlyList<(string Name, string Value)> Fields)
{
    private const int MaxFields = 200;

    /// <summary>Meant for the next hop only (RFC 9110, 7.6.1), or written anew here.</summary>
    private static readonly HashSet<string> HopByHop = new(StringComparer.OrdinalIgnoreCase)
    {
        "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authorization", "Proxy-Authenticate", "Proxy-Authentication-Info", "TE", "Upgrade",
    };

    /// <exception cref="EgressRefusedException">It is not well formed.</exception>
    internal static HttpHead Parse(ReadOnlySpan<byte> bytes)
    {
        var text = Encoding.Latin1.GetString(bytes[..^4]);
        var lines = text.Split("\r\n");
        if (lines.Length - 1 > MaxFields)
        {
            throw EgressRefusedException.Malformed($"The message has more than {MaxFields} header fields.");
        }

        var fields = new List<(string, string)>(lines.Length - 1);
        foreach (var line in lines.Skip(1))
        {
            var colon = line.IndexOf(':', StringComparison.Ordinal);
            if (colon <= 0 || !line[..colon].All(IsTokenCharacter))
            {
                throw EgressRefusedException.Malformed($"The header line '{Shown.Short(line)}' is not 'name: value'.");
            }

            fields.Add((line[..colon], line[(colon + 1)..].Trim(' ', '\t')));
        }

        return lines.Any(line => line.Any(c => char.IsControl(c) && c != '\t'))
            ? throw EgressRefusedException.Malformed("The head of the message has control characters, or lines that do not end in CR LF.")
            : new HttpHead(lines[0], fields);
    }

    /// <summary>All values of a field.</summary>
    internal List<string> Values(string name) => [.. Fields.Where(field => field.Name.Equals(name, StringComparison.OrdinalIgnoreCase)).Select(field => field.Value)];

    /// <summary>The fields that go on to the next hop.</summary>
    internal IEnumerable<(string Name, string Value)> EndToEnd()
    {
        var named = Values("Connection").SelectMany(value => value.Split(',', StringSplitOptions.TrimEntries)).ToHashSet(StringComparer.OrdinalIgnoreCase);
        // A peer may not have the length or the coding taken out of sight of the next reader.
        named.ExceptWith(["Content-Length", "Transfer-Encoding", "Host"]);
        return Fields.Where(field => !HopByHop.Contains(field.Name) && !named.Contains(field.Name));
    }

    /// <summary>The head as it is sent.</summary>
    internal static byte[] Write(string first, IEnumerable<(string Name, string Value)> fields)
    {
        var text = new StringBuilder(first).Append("\r\n");
        foreach (var (name, value) in fields)
        {
            text.Append(name).Append(": ").Append(value).Append("\r\n");
        }

        return Encoding.Latin1.GetBytes(text.Append("\r\n").ToString());
    }

    internal static bool IsTokenCharacter(char c) => char.IsAsciiLetterOrDigit(c) || "!#$%&'*+-.^_`|~".Contains(c, StringComparison.Ordinal);
}
