using System.Globalization;

namespace KernelGateway.Core.Policies;

/// <summary>Where code wants to go: a host in canonical spelling and a port.</summary>
internal sealed record Destination(HostName Host, int Port)
{
    /// <summary>Reads <c>host:port</c>, as a proxy is asked for it.</summary>
    /// <param name="text">The authority; no user, IPv6 in brackets.</param>
    /// <param name="defaultPort">The port when none is there; 0: there must be one.</param>
    /// <param name="destination">Where to, when it can be read.</param>
    /// <param name="problem">Otherwise why not, as the end of a sentence that begins with the text.</param>
    internal static bool TryParse(string text, int defaultPort, out Destination destination, out string problem)
    {
        destination = null!;
        if (!TrySplit(text, out var hostText, out var portText))
        {
            problem = "is not host:port";
            return false;
        }

        var port = defaultPort;
        if (portText is not null && !TryParsePort(portText, out port))
        {
            problem = "has a port that is not a number from 1 to 65535";
            return false;
        }

        if (port == 0)
        {
            problem = "has no port";
            return false;
        }

        if (!HostName.TryParse(hostText, out var host, out problem))
        {
            return false;
        }

        destination = new Destination(host, port);
        return true;
    }

    /// <summary>Takes the port off.</summary>
    internal static bool TrySplit(string text, out string host, out string? port)
    {
        (host, port) = (text, null);
        var end = text.StartsWith('[') ? text.IndexOf(']', StringComparison.Ordinal) + 1 : text.IndexOf(':', StringComparison.Ordinal);
        if (text.StartsWith('[') ? end == 0 : end < 0)
        {
            return end < 0;
        }

        (host, port) = (text[..end], end < text.Length ? text[(end + 1)..] : null);
        return end == text.Length || text[end] == ':';
    }

    /// <summary>A port is decimal digits, 1 to 65535.</summary>
    internal static bool TryParsePort(string text, out int port) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out port) && port is >= 1 and <= 65_535 && text.Length <= 5;

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Host.Name}:{Port}");
}
