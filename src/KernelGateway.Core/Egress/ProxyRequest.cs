using System.Globalization;
using KernelGateway.Core.Policies;

namespace KernelGateway.Core.Egress;

/// <summary>What a client asks of an HTTP proxy: a tunnel, or one plain request.</summary>
/// <param name="Method">The method.</param>
/// <param name="Authority">Host and port as they were written.</param>
/// <param name="Target">Path and query; empty for a tunnel.</param>
/// <param name="Version">1.0 or 1.1.</param>
/// <param name="Head">Its fields.</param>
/// <param name="Chunked">Whether the body comes in chunks.</param>
/// <param name="Length">Otherwise its length.</param>
internal sealed record ProxyRequest(string Method, string Authority, string Target, string Version, HttpHead Head, bool Chunked, long Length)
{
    private const string Scheme = "http://";

    internal bool IsTunnel => Method == "CONNECT";

    /// <exception cref="EgressRefusedException">It is malformed or ambiguous.</exception>
    internal static ProxyRequest Parse(HttpHead head)
    {
        var words = head.First.Split(' ');
        if (words.Length != 3 || words[0].Length == 0 || !words[0].All(HttpHead.IsTokenCharacter) || words[2] is not ("HTTP/1.1" or "HTTP/1.0"))
        {
            throw EgressRefusedException.Malformed("The first line is no HTTP/1 request. This is a proxy: send CONNECT host:port, or GET http://host/path.");
        }

        if (words[1].Any(c => c is <= ' ' or > '~'))
        {
            throw EgressRefusedException.Malformed("The target of the request has characters that no address has.");
        }

        var (chunked, length) = Body(head, words[2]);
        if (words[0] == "CONNECT")
        {
            return new ProxyRequest(words[0], words[1], "", words[2], head, false, 0);
        }

        if (!words[1].StartsWith(Scheme, StringComparison.OrdinalIgnoreCase))
        {
            throw EgressRefusedException.Malformed(words[1].StartsWith("https://", StringComparison.OrdinalIgnoreCase)
                ? "For https send CONNECT host:443, and speak TLS through the tunnel."
                : "The target of the request is no http address. This is a proxy: send CONNECT host:port, or GET http://host/path.");
        }

        var rest = words[1][Scheme.Length..];
        var end = rest.IndexOfAny(['/', '?', '#']);
        var (authority, target) = end < 0 ? (rest, "/") : (rest[..end], rest[end..]);
        if (target.Contains('#', StringComparison.Ordinal))
        {
            throw EgressRefusedException.Malformed("The target of the request has a fragment, which is never sent.");
        }

        return new ProxyRequest(words[0], authority, target[0] == '?' ? $"/{target}" : target, words[2], head, chunked, length);
    }

    /// <summary>The head for the server: to the host that was checked, and for one request only.</summary>
    /// <exception cref="EgressRefusedException">The client names another host in the field <c>Host</c>.</exception>
    internal byte[] ToServer(Destination destination)
    {
        var hosts = Head.Values("Host");
        if (hosts.Count > 1 || (hosts.Count == 1 && (!Destination.TryParse(hosts[0], 80, out var named, out _) || named != destination)))
        {
            throw EgressRefusedException.Malformed("The field Host names another host than the address of the request.");
        }

        var host = destination.Port == 80 ? destination.Host.Name : destination.ToString();
        var fields = Head.EndToEnd()
            .Where(field => !field.Name.Equals("Host", StringComparison.OrdinalIgnoreCase)
                && !field.Name.Equals("Content-Length", StringComparison.OrdinalIgnoreCase)
                && !field.Name.Equals("Transfer-Encoding", StringComparison.OrdinalIgnoreCase)
                && !field.Name.Equals("Trailer", StringComparison.OrdinalIgnoreCase))
            .Prepend(("Host", host));
        if (Chunked)
        {
            fields = fields.Append(("Transfer-Encoding", "chunked"));
        }
        else if (Length > 0 || Head.Values("Content-Length").Count > 0)
        {
            fields = fields.Append(("Content-Length", Length.ToString(CultureInfo.InvariantCulture)));
        }

        return HttpHead.Write($"{Method} {Target} {Version}", fields.Append(("Connection", "close")));
    }

    private static (bool Chunked, long Length) Body(HttpHead head, string version)
    {
        var codings = head.Values("Transfer-Encoding");
        var lengths = head.Values("Content-Length");
        if (codings.Count > 0)
        {
            return lengths.Count == 0 && codings.Count == 1 && version == "HTTP/1.1" && codings[0].Equals("chunked", StringComparison.OrdinalIgnoreCase)
                ? (true, 0)
                : throw EgressRefusedException.Malformed("The length of the request is ambiguous: Transfer-Encoding may only be 'chunked', once, in HTTP/1.1 and without Content-Length.");
        }

        var length = 0L;
        return lengths.Count == 0 || (lengths.Count == 1 && long.TryParse(lengths[0], NumberStyles.None, CultureInfo.InvariantCulture, out length))
            ? (false, length)
            : throw EgressRefusedException.Malformed("Content-Length must be there once, as a plain number.");
    }
}
