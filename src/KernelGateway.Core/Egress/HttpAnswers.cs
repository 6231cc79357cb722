using System.Globalization;
using System.Text;

namespace KernelGateway.Core.Egress;

/// <summary>The proxy's own answers in HTTP.</summary>
internal static class HttpAnswers
{
    internal static readonly byte[] Established = "HTTP/1.1 200 Connection established\r\n\r\n"u8.ToArray();

    /// <summary>The refusal as the user's code can read it, wherever its library looks: reason phrase, header, body.</summary>
    internal static byte[] Refusal(EgressRefusedException refused) => refused.Kind switch
    {
        RefusalKind.Denied => Refusal(403, $"Blocked by network policy ({refused.Verdict!.Rule})", refused.Message),
        RefusalKind.Malformed => Refusal(400, "Bad request", refused.Message),
        RefusalKind.TimedOut => Refusal(504, "Gateway timeout", refused.Message),
        _ => Refusal(502, "Bad gateway", refused.Message),
    };

    internal static byte[] Refusal(int status, string reason, string text)
    {
        var body = Encoding.UTF8.GetBytes(text + "\n");
        // A sentence of ours, yet with words of the asker's: nothing of it may end the line.
        var line = Printable(text);
        return [.. HttpHead.Write(
            string.Create(CultureInfo.InvariantCulture, $"HTTP/1.1 {status} {Printable(reason)}"),
            [
                ("X-Proxy-Error", line),
                ("Content-Type", "text/plain; charset=utf-8"),
                ("Content-Length", body.Length.ToString(CultureInfo.InvariantCulture)),
                ("Connection", "close"),
            ]), .. body];
    }

    private static string Printable(string text) => string.Concat(text.Select(c => c is >= ' ' and <= '~' ? c : '?'));
}
